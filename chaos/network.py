"""The proxy process as the nemesis sees it: a port in front of each server, and a word to change the weather."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gristmill import ports, process
from gristmill.children import python_module
from gristmill.process import Process
from gristmill.services.secret import write_private

_SECONDS: Final = 5.0  # until the proxy must have answered: it is never paused itself


class Network:
    """Starts the proxy, and commands it.

    Args:
        folder: for its configuration and its log.
        servers: the real port of each server, by name.
        seed: of the proxy's own choices.
        env: the environment of its process.
    """

    def __init__(self, folder: Path, servers: Mapping[str, int], *, seed: str, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._control = ports.free_port()
        self.ports = {name: ports.free_port() for name in servers}
        self._config = {
            "control": self._control,
            "seed": seed,
            "upstreams": {name: {"listen": self.ports[name], "port": port} for name, port in servers.items()},
        }
        self._process: Process | None = None

    def start(self) -> None:
        """Start the proxy and return when it takes commands."""
        config = self._folder / "proxy.json"
        write_private(config, json.dumps(self._config))
        log = self._folder / "proxy.log"
        self._process = process.spawn(python_module("chaos.proxy", config), env=self._env, log=log, cwd=self._folder)
        process.wait_until_ready("the proxy", self._process, self._answers, log=log, deadline_seconds=20)

    def stop(self) -> None:
        """End the proxy."""
        if self._process is not None:
            process.stop(self._process, deadline_seconds=1)

    def cut(self, name: str, share: float = 1.0) -> int:
        """Cut a share of the connections to a server; returns how many were cut so far."""
        return self._command(upstream=name, mode="cut", share=share)

    def set_mode(self, name: str, mode: str, *, seconds: float = 0.0, share: float = 0.0) -> int:
        """Change what happens to a server's connections; returns how many were cut so far."""
        return self._command(upstream=name, mode=mode, seconds=seconds, share=share)

    def heal(self) -> None:
        """Let everything pass again."""
        for name in self.ports:
            self.set_mode(name, "pass")

    def _command(self, **command: Any) -> int:
        with socket.create_connection((ports.LOOPBACK, self._control), timeout=_SECONDS) as connection:
            connection.sendall(json.dumps(command).encode() + b"\n")
            answer = connection.makefile().readline()
        return int(json.loads(answer)["cuts"])

    def _answers(self) -> bool:
        try:
            socket.create_connection((ports.LOOPBACK, self._control), timeout=1).close()
        except OSError:
            return False
        return True
