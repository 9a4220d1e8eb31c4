"""The servers that are compared: each in processes of its own, on a port of its own, all up at the same time."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import bench
from bench.ingress import baseline
from gristmill import ports, process
from gristmill.children import python_module

if TYPE_CHECKING:
    from bench.stack import Stack
    from gristmill.process import Process

_ROOT: Final = Path(bench.__file__).parents[1]
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0
_SERVE: Final = (
    "from gristmill.ingress.serve import run; from gristmill.shared.settings import load_settings; "
    "run(load_settings(None), {!r})"
)


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs."""

    name: str
    port: int
    process: Process


class Servers:
    """Servers that run beside a stack, and end with it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.running: dict[str, Server] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor() as pool:
            stopping = [server.process for server in self.running.values()]
            list(pool.map(lambda each: process.stop(each, signal.SIGTERM, deadline_seconds=_STOP_SECONDS), stopping))

    def port_of(self, name: str) -> int:
        """Return where a server listens."""
        return self.running[name].port

    def start_ingress(
        self,
        name: str,
        target: str = "gristmill.ingress.serve:load",
        *,
        database_url: str | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        """Start the ingress, or an app made of it, on the stack's database or another one."""
        changed = {"GRISTMILL_TRUSTED_PROXIES": str(trusted_proxies)}
        if database_url is not None:
            changed["GRISTMILL_DATABASE_URL"] = database_url
        port = ports.free_port()
        self._start(name, port, [sys.executable, "-c", _SERVE.format(target)], changed | {"GRISTMILL_PORT": str(port)})

    def start_baseline(self, name: str, *, processes: int, threads: int) -> None:
        """Start the baseline under gunicorn's threads."""
        port = ports.free_port()
        command = python_module("gunicorn", "bench.ingress.baseline:make_app()")
        command += ["--worker-class", "gthread", "--workers", str(processes), "--threads", str(threads)]
        command += ["--bind", f"{ports.LOOPBACK}:{port}", "--log-level", "error", "--keep-alive", "75"]
        environment = {
            baseline.DATABASE: self._stack.postgres.url,
            baseline.BROKER: self._stack.environment["GRISTMILL_BROKER_URL"],
            baseline.THREADS: str(threads),
        }
        self._start(name, port, command, environment)

    def _start(self, name: str, port: int, command: list[str], environment: Mapping[str, str]) -> None:
        log = self._stack.folder / f"{name}.log"
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        env = {**self._stack.environment, **environment, "PYTHONPATH": path}
        started = process.spawn(command, env=env, log=log, cwd=self._stack.folder)
        self.running[name] = Server(name, port, started)
        process.wait_until_ready(name, started, lambda: _answers(port), log=log, deadline_seconds=_START_SECONDS)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except OSError:
        return False
    else:
        return True
    finally:
        connection.close()
