"""Read request bodies with a limit for each producer and a deadline: a thread waits for each body.

The server itself reads the head of a request with a deadline, and the body without one.
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

CHECK_EVERY: Final = 1.0  # seconds between two checks for late bodies
YOUNG: Final = 1.0  # seconds: a body being read for less may arrive at once, so another request waits for it
_OPEN_FILES: Final = Path("/proc/self/fd")
_TCP_INFO: Final = struct.Struct("8B13I")  # linux/tcp.h, up to tcpi_last_ack_recv
_LAST_DATA_SENT: Final = 17  # the index of its field: milliseconds

log = structlog.get_logger()


class Bodies:
    """The bodies that are being read in this process.

    Args:
        port: that the server listens on.
        most: bodies of one producer at a time.
        seconds: the time for one body; longer than the server keeps a connection without a request.
    """

    def __init__(self, *, port: int, most: int, seconds: float) -> None:
        self._port = port
        self._most = most
        self._seconds = seconds
        self._changed = threading.Condition()
        self._reading: dict[UUID | None, dict[object, float]] = {}  # by producer: the start of each, the oldest first
        self._queued = 0
        self._checker: threading.Thread | None = None

    def read(self, incoming: Request, producer: UUID | None) -> bytes:
        """Return the body of `incoming`; only the part that arrived, if the client hung up or took too long.

        Raises:
            TooManyBodiesError: too many requests of this producer have not sent their bodies.
        """
        token = object()
        with self._changed:
            if self._is_full(producer):
                self._wait_for_slot(producer)
            self._reading.setdefault(producer, {})[token] = time.monotonic()
            if self._checker is None:  # not earlier: a thread does not survive a fork
                self._checker = threading.Thread(target=self._cut_late_bodies, name="late bodies", daemon=True)
                self._checker.start()
        try:
            return incoming.get_data()
        finally:
            with self._changed:
                its = self._reading[producer]
                del its[token]
                if not its:
                    del self._reading[producer]
                if self._queued:
                    self._changed.notify_all()

    def _is_full(self, producer: UUID | None) -> bool:
        return len(self._reading.get(producer, ())) >= self._most

    def _wait_for_slot(self, producer: UUID | None) -> None:
        patience = YOUNG - (time.monotonic() - _oldest(self._reading[producer]))
        self._queued += 1
        try:
            has_slot = self._changed.wait_for(lambda: not self._is_full(producer), timeout=max(0.0, patience))
        finally:
            self._queued -= 1
        if not has_slot:
            msg = f"{self._most} requests of this producer have not sent all of their bodies; finish these first"
            raise TooManyBodiesError(msg)

    def _cut_late_bodies(self) -> None:
        while True:
            time.sleep(CHECK_EVERY)
            with self._changed:
                began = min(map(_oldest, self._reading.values()), default=time.monotonic())
            if time.monotonic() - began > self._seconds:
                cut = cut_silent_connections(self._port, self._seconds)
                log.warning("bodies.late", connections_cut=cut, seconds=self._seconds)


def _oldest(reading: Mapping[object, float]) -> float:
    return next(iter(reading.values()))


def cut_silent_connections(port: int, seconds: float) -> int:
    """Shut the connections to `port` on which nothing was sent for `seconds`, and return their number.

    The server closes connections without a request earlier. So these have an unanswered request whose body does not
    arrive, and the read of the body ends at once. Works on Linux only, which reports the time.
    """
    return sum(_cut_if_silent(file, port, seconds) for file in _open_files())


def _open_files() -> list[int]:
    return [int(entry.name) for entry in _OPEN_FILES.iterdir()] if _OPEN_FILES.is_dir() else []


def _cut_if_silent(file: int, port: int, seconds: float) -> bool:
    with suppress(OSError), socket.socket(fileno=os.dup(file)) as connection:  # it may be closed, or not a TCP socket
        if connection.getsockname()[1:2] == (port,):
            connection.getpeername()  # raises for the listening socket
            info = _TCP_INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
            if info[_LAST_DATA_SENT] > seconds * 1000:
                connection.shutdown(socket.SHUT_RDWR)
                return True
    return False
