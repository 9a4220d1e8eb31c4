"""Find free TCP ports on loopback, and say who holds one that is not free."""

import contextlib
import os
import secrets
import socket
import sys
from collections import deque
from dataclasses import dataclass
from typing import Final

import psutil

LOOPBACK: Final = "127.0.0.1"

# Below the range from which the kernel takes ports for outgoing connections (32768 and up on Linux): a port found here
# is not lost to somebody's connect() before our server binds it.
_RANGE: Final = range(15_000, 32_000)
_ATTEMPTS: Final = 200
_given: set[int] = set()
_KEPT: Final = 64  # ports that are kept from other processes: the last ones, which may not be listened on yet
_marks: deque[int] = deque()


class PortInUseError(RuntimeError):
    """A port that was asked for by number is held by somebody else; the message says by whom."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port; name and pid are None when the system does not tell us (another user's)."""

    name: str | None
    pid: int | None

    def __str__(self) -> str:
        return f"{self.name or 'a process'} (pid {self.pid})" if self.pid else "another user's process"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket() as probe:
        # As servers do: connections of a former server that wait out their TIME_WAIT do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_answered(port: int) -> bool:
    """Return whether a server listens on this port of loopback by now.

    While it starts ask this, not `is_free`, which holds the port for a moment: the very one in which it wants it.
    """
    try:
        socket.create_connection((LOOPBACK, port), timeout=2).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a free port that this process has not been given before, nor another one just now.

    Raises:
        PortInUseError: none was found.
    """
    for _ in range(_ATTEMPTS):
        port = secrets.choice(_RANGE)  # a generator that tests seed would give all of them the same ports
        if port not in _given and _mark(port) and is_free(port):  # the mark first: looking holds the port for a moment
            _given.add(port)
            return port
    raise PortInUseError(
        f"no free port between {_RANGE.start} and {_RANGE.stop}: end programs that are no longer needed"
    )


def _mark(port: int) -> bool:
    """Keep a port from other processes that look for one; the kernel ends that with us. False: somebody else has it.

    A free port is only a number until a server listens on it, which may take seconds. The mark is the name of a socket
    that nobody talks to, without a file; only Linux has them.
    """
    if sys.platform != "linux":
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mark:
        try:
            mark.bind(f"\0gristmill-port-{port}")
        except OSError:
            return False
        _marks.append(mark.detach())
    while len(_marks) > _KEPT:
        os.close(_marks.popleft())
    return True


def holder_of(port: int) -> Holder | None:
    """Return who listens on a port, or None when nobody does."""
    for connection in _listening():
        if connection.laddr and connection.laddr.port == port:
            name = None
            if connection.pid is not None:
                with contextlib.suppress(psutil.Error):
                    name = psutil.Process(connection.pid).name()
            return Holder(name=name, pid=connection.pid)
    return None


def require_free(port: int, *, setting: str, host: str = LOOPBACK) -> None:
    """Refuse a port that is taken.

    Args:
        port: The port that a server is about to use.
        setting: The environment variable by which another one is chosen, for the message.
        host: The address it would listen on.

    Raises:
        PortInUseError: with the name and pid of the holder.
    """
    if not is_free(port, host):
        holder = holder_of(port)
        who = f"in use by {holder}" if holder else "in use or not allowed for this user"
        raise PortInUseError(f"port {port} is {who}: set {setting} to another")


def _listening() -> "list[psutil._ntuples.sconn]":
    with contextlib.suppress(psutil.AccessDenied):  # macOS tells it to root only
        return [each for each in psutil.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
    return []
