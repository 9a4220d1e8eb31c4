"""A `gristmill` process that was forked ready for use, handled as `subprocess.Popen` handles one."""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final, cast

from gristmill import process
from gristmill.process import Process

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 90.0  # until all is imported, on a machine that is busy with others
ASK_SECONDS: Final = 60.0  # for one answer


class Warm:
    """A process that is the child of another, with the methods of `subprocess.Popen`."""

    stdout = None

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def __del__(self) -> None:
        self._connection.close()

    def poll(self) -> int | None:
        if self.returncode is None:
            self._connection.send(b"?")
            self.returncode = json.loads(self._connection.recv(64))
            if self.returncode is not None:
                self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        ends_at = time.monotonic() + (timeout or 600)
        while (code := self.poll()) is None:
            if time.monotonic() > ends_at:
                raise subprocess.TimeoutExpired(f"gristmill (pid {self.pid})", timeout or 600)
            time.sleep(0.01)
        return code


def start(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: IO[bytes], errors: IO[bytes] | None = None
) -> Process:
    """Start `gristmill …`; the kernel kills it when we die.

    Args:
        arguments: What follows `gristmill` on the command line.
        env: Its whole environment.
        cwd: Its working folder.
        output: The file of its standard output.
        errors: The file of its standard error; that of its output when None.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(ASK_SECONDS)
    connection.connect(_server())
    socket.send_fds(connection, [b"!"], [output.fileno(), (errors or output).fileno()])
    order: dict[str, Any] = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}
    connection.send(json.dumps(order).encode())
    return cast("Process", Warm(connection, int(connection.recv(64))))


def run(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, seconds: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run `gristmill …` to its end and return what it said.

    Raises:
        subprocess.TimeoutExpired: it took longer; it is killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        command = start(arguments, env=env, cwd=cwd, output=output, errors=errors)
        try:
            code = command.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(command.pid, 9)
            raise
        told = [_content(file) for file in (output, errors)]
    return subprocess.CompletedProcess(["gristmill", *arguments], code, *told)


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def _server() -> str:
    """Start what the others are forked from, once for this process; return its socket."""
    folder = Path(tempfile.mkdtemp(prefix="gristmill-warm-"))
    path, log = folder / "socket", folder / "log"
    env = process.plain_environment({"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *sys.path]))})
    command = [sys.executable, "-m", "tests.warm.server", str(path), str(os.getpid())]
    server = process.spawn(command, env=env, cwd=ROOT, log=log)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(process.stop, server)
    process.wait_until_ready("warm", server, path.exists, log=log, deadline_seconds=START_SECONDS)
    return str(path)
