"""Bodies of requests, and clients that do not send theirs: a thread waits for each, so these are few and not for ever.

The server reads a head with a deadline and a body without one.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.ingress.errors import TooManyBodiesError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from flask import Request

LOOK_EVERY: Final = 1.0  # seconds between two looks for bodies that are late
YOUNG: Final = 1.0  # seconds: a body that is read for less may be there at once, and its place is worth waiting for
_OPEN_FILES: Final = Path("/proc/self/fd")
_TCP_INFO: Final = struct.Struct("8B13I")  # linux/tcp.h, up to tcpi_last_ack_recv
_LAST_DATA_SENT: Final = 17  # its place there: milliseconds

log = structlog.get_logger()


class Bodies:
    """The bodies that are being read in this process.

    Args:
        port: that the server listens on.
        most: bodies of one producer at a time.
        seconds: that a body may take; more than the server lets a connection be without a request.
    """

    def __init__(self, *, port: int, most: int, seconds: float) -> None:
        self._port = port
        self._most = most
        self._seconds = seconds
        self._changed = threading.Condition()
        self._reading: dict[UUID | None, dict[object, float]] = {}  # by producer, since when, the oldest first
        self._standing = 0
        self._looker: threading.Thread | None = None

    def read(self, asked: Request, producer: UUID | None) -> bytes:
        """Return the body of `asked`: what was sent of it, when the client hung up or took too long.

        Raises:
            TooManyBodiesError: this producer lets us wait for many others.
        """
        token = object()
        with self._changed:
            if self._is_full(producer):
                self._wait_for_place(producer)
            self._reading.setdefault(producer, {})[token] = time.monotonic()
            if self._looker is None:  # not before: a thread does not live on in a process that forks
                self._looker = threading.Thread(target=self._look, name="late bodies", daemon=True)
                self._looker.start()
        try:
            return asked.get_data()
        finally:
            with self._changed:
                its = self._reading[producer]
                del its[token]
                if not its:
                    del self._reading[producer]
                if self._standing:
                    self._changed.notify_all()

    def _is_full(self, producer: UUID | None) -> bool:
        return len(self._reading.get(producer, ())) >= self._most

    def _wait_for_place(self, producer: UUID | None) -> None:
        patience = YOUNG - (time.monotonic() - _oldest(self._reading[producer]))
        self._standing += 1
        try:
            has_place = self._changed.wait_for(lambda: not self._is_full(producer), timeout=max(0.0, patience))
        finally:
            self._standing -= 1
        if not has_place:
            msg = f"{self._most} requests of this producer have not sent all of their body; finish these first"
            raise TooManyBodiesError(msg)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            with self._changed:
                began = min(map(_oldest, self._reading.values()), default=time.monotonic())
            if time.monotonic() - began > self._seconds:
                cut = cut_silent_connections(self._port, self._seconds)
                log.warning("bodies.late", connections_cut=cut, seconds=self._seconds)


def _oldest(reading: Mapping[object, float]) -> float:
    return next(iter(reading.values()))


def cut_silent_connections(port: int, seconds: float) -> int:
    """Shut the connections to our `port` that we have sent nothing on for so many seconds; return how many.

    With a server that ends connections which stay without a request for that long, these have one that is not answered:
    its body does not come. What the server reads from them ends at once. Only on Linux, which tells the time.
    """
    return sum(_cut_if_silent(file, port, seconds) for file in _open_files())


def _open_files() -> list[int]:
    return [int(entry.name) for entry in _OPEN_FILES.iterdir()] if _OPEN_FILES.is_dir() else []


def _cut_if_silent(file: int, port: int, seconds: float) -> bool:
    with suppress(OSError), socket.socket(fileno=os.dup(file)) as connection:  # it may be closed, or no socket of TCP
        if connection.getsockname()[1:2] == (port,):
            connection.getpeername()  # what listens has none
            info = _TCP_INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
            if info[_LAST_DATA_SENT] > seconds * 1000:
                connection.shutdown(socket.SHUT_RDWR)
                return True
    return False
