"""Faults of the broker: killed, its connections closed, its queues emptied and deleted."""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from urllib.parse import quote

from chaos.faults.blow import Blow
from chaos.faults.servers import down
from chaos.servers import START_SECONDS, Servers
from gristmill.process import ServiceFailedError
from gristmill.services.service import Service
from gristmill.shared.queues import QUEUES

OLD_ENOUGH: Final = 3.0  # seconds: RabbitMQ 3.10 forgets a quorum queue that was declared just before a kill -9
VHOST: Final = "%2F"


def kill_broker(blow: Blow) -> str:
    """Kill the broker; RabbitMQ only when all of its queues are old enough to survive it."""
    servers = blow.arena.servers
    if servers.rabbitmq is None:
        return down("valkey", Service.kill)(blow)
    with servers.topology:
        _require_queues(servers)
        blow.arena.wait(OLD_ENOUGH)
        if blow.arena.healing.is_set():
            raise ServiceFailedError("the time is over, and the queues may be too young")
        _require_queues(servers)
        servers.rabbitmq.kill()
    try:
        blow.arena.wait(blow.seconds / 2)
    finally:
        servers.rabbitmq.start(START_SECONDS)
    return f"{blow.seconds / 2:.1f} s"


def _require_age(servers: Servers) -> None:
    """Refuse a node that has just started: 3.10 breaks a queue that is deleted while it elects its leader (541)."""
    (node,) = servers.api("GET", "/api/nodes")
    if node.get("uptime", 0) < OLD_ENOUGH * 1000:
        raise ServiceFailedError("the node has just started: its queues may still elect their leaders")


def _require_queues(servers: Servers) -> None:
    there = {queue["name"] for queue in servers.api("GET", f"/api/queues/{VHOST}")}
    wanted = {name for queue in QUEUES.values() for name in (queue.name, queue.dead_letter_queue)}
    if wanted - there:
        raise ServiceFailedError(f"not all queues are there: {', '.join(sorted(wanted - there))}")


def close_connections(blow: Blow) -> str:
    """Have the broker close every connection to it."""
    servers = blow.arena.servers
    if servers.rabbitmq is None:
        return f"{servers.redis().client_kill_filter(_type='normal', skipme=True)} connections"
    connections = servers.api("GET", "/api/connections")
    closed = 0
    for connection in connections:
        with suppress(ServiceFailedError):  # it is gone by itself
            servers.api("DELETE", f"/api/connections/{quote(connection['name'], safe='')}")
            closed += 1
    return f"{closed} connections"


def purge_queue(blow: Blow) -> str:
    """Throw away what waits in one queue."""
    name = blow.chance.choice(sorted(QUEUES))
    servers = blow.arena.servers
    if servers.rabbitmq is None:
        return f"{name}: {servers.redis().llen(name)} hints, {servers.redis().delete(name)} list"
    servers.api("DELETE", f"/api/queues/{VHOST}/{name}/contents")
    return name


def delete_queue(blow: Blow) -> str:
    """Delete one queue with what is in it; sometimes a dead-letter queue."""
    names = sorted(QUEUES) * 3 + sorted(queue.dead_letter_queue for queue in QUEUES.values())
    name = blow.chance.choice(names)
    servers = blow.arena.servers
    if servers.rabbitmq is None:
        return f"{name}: {servers.redis().delete(name)} list"
    with servers.topology:
        _require_age(servers)
        servers.api("DELETE", f"/api/queues/{VHOST}/{name}")
    return name


def flush_broker(blow: Blow) -> str:
    """Throw away all that Valkey holds of hints: queues, bindings, and what is not acknowledged."""
    blow.arena.servers.redis().flushdb()
    return "all hints"
