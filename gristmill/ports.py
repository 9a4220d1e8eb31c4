"""Find free TCP ports on loopback, and name the holder of a port that is taken.

Every command imports this module, and psutil is not installed for all of them: it is imported where it is used.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"

# Below the range from which the kernel takes ports for outgoing connections (32768 and up on Linux), so that no
# connect() takes a port that was found here before our server binds it.
_RANGE: Final = range(15_000, 32_000)
_ATTEMPTS: Final = 200
_given: set[int] = set()
_KEPT: Final = 64  # ports that are kept from other processes: the last ones, which may not be listened on yet
_marks: deque[int] = deque()


class PortInUseError(RuntimeError):
    """A port cannot be used; the message names its holder, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port; name and pid are None where the system hides them (another user's)."""

    name: str | None
    pid: int | None

    def __str__(self) -> str:
        return f"{self.name or 'a process'} (pid {self.pid})" if self.pid else "another user's process"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return true if a server could listen on this port now."""
    with socket.socket() as probe:
        # As servers do: connections of a former server in TIME_WAIT do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_answered(port: int) -> bool:
    """Return true if a server listens on this port of loopback.

    While a server starts call this, not `is_free`, which holds the port for a moment in which the server may need it.
    """
    try:
        socket.create_connection((LOOPBACK, port), timeout=2).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a free port that was not returned before, neither here nor, just now, in another process.

    Raises:
        PortInUseError: none was found.
    """
    for _ in range(_ATTEMPTS):
        port = secrets.choice(_RANGE)  # a generator that tests seed would give the same ports to all of them
        if port not in _given and _mark(port) and is_free(port):  # the mark first: is_free holds the port for a moment
            _given.add(port)
            return port
    raise PortInUseError(
        f"no free port between {_RANGE.start} and {_RANGE.stop}: end programs that are no longer needed"
    )


def _mark(port: int) -> bool:
    """Reserve a port against other processes that search for one, until this one ends; false if it is reserved.

    A free port is only a number until a server listens on it, which may take seconds. The mark is the name of an
    abstract socket, which only Linux has.
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
    """Return the process that listens on a port, or None."""
    import psutil

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
        setting: The environment variable that changes it, for the message.
        host: The address it would listen on.

    Raises:
        PortInUseError: with the name and pid of the holder.
    """
    if not is_free(port, host):
        holder = holder_of(port)
        who = f"in use by {holder}" if holder else "in use or not allowed for this user"
        raise PortInUseError(f"port {port} is {who}: set {setting} to another")


def _listening() -> list[Any]:
    import psutil

    with contextlib.suppress(psutil.AccessDenied):  # macOS tells it to root only
        return [each for each in psutil.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
    return []
