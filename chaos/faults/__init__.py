"""Each thing that the nemesis can do. A fault ends what it began, also when it is told to stop early."""

from __future__ import annotations

from typing import Final

from chaos.faults.blow import Act, Arena, Blow
from chaos.faults.broker import close_connections, delete_queue, flush_broker, kill_broker, purge_queue
from chaos.faults.network import cut, weather
from chaos.faults.postgres import crash_postgres, kill_backend, terminate_backends
from chaos.faults.processes import kill_process, kill_web, kill_worker_child, pause_process, terminate_process
from chaos.faults.servers import down, pause_server
from gristmill.services.service import Service

__all__ = ["FAULTS", "Arena", "Blow"]

FAULTS: Final[dict[str, Act]] = {
    "kill web": kill_web,
    "kill relay": kill_process("relay"),
    "kill worker": kill_process("worker"),
    "kill worker child": kill_worker_child,
    "kill beat": kill_process("beat"),
    "kill maintenance": kill_process("maintenance"),
    "terminate process": terminate_process,
    "pause worker": pause_process("worker"),
    "pause relay": pause_process("relay"),
    "pause maintenance": pause_process("maintenance"),
    "terminate backends": terminate_backends,
    "close broker connections": close_connections,
    "purge queue": purge_queue,
    "delete queue": delete_queue,
    "flush broker": flush_broker,
    "pause postgres": pause_server("postgres"),
    "pause broker": pause_server("broker"),
    "pause valkey": pause_server("valkey"),
    "restart postgres": down("postgres", lambda server: server.stop()),
    "crash postgres": down("postgres", crash_postgres),
    "kill postgres": down("postgres", Service.kill),
    "kill postgres backend": kill_backend,
    "restart broker": down("broker", lambda server: server.stop()),
    "kill broker": kill_broker,
    "kill valkey": down("valkey", Service.kill),
    **{f"{name}: cut": cut(name) for name in ("postgres", "broker", "web")},
    "postgres: cut at commit": weather("postgres", "commit"),
    **{
        f"{name}: {mode}": weather(name, mode)
        for name in ("postgres", "broker", "redis", "web")
        for mode in ("delay", "freeze", "black-hole", "refuse")
    },
}
