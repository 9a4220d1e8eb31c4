"""Clients that begin a request and never get done: a byte a second of the body, as long as they are let."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final, Self

_EVERY: Final = 1.0  # seconds between two bytes
_HEAD: Final = (
    "POST /api/v1/jobs HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
    "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
)


class SlowClients:
    """Keeps `count` such requests going, from entering until leaving; one that is cut off begins again."""

    def __init__(self, host: str, port: int, key: str, count: int) -> None:
        self._address = (host, port)
        self._head = _HEAD.format(key=key).encode()
        self._count = count
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._drip, name="slow clients")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _drip(self) -> None:
        begun = [self._begin() for _ in range(self._count)]
        while not self._done.wait(_EVERY):
            for at, one in enumerate(begun):
                try:
                    one.sendall(b" ")
                except OSError:
                    one.close()
                    begun[at] = self._begin()
        for one in begun:
            with suppress(OSError):
                one.close()

    def _begin(self) -> socket.socket:
        made = socket.create_connection(self._address, timeout=5)
        made.sendall(self._head)
        return made
