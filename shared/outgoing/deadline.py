"""Limit the whole time of a conversation over a socket: a timeout of each read does not stop a server that drips."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

RETRY_EVERY: Final = 0.5  # seconds


@contextmanager
def hang_up_after(limit: timedelta, find_socket: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut the socket down when the block takes longer than `limit`; a read or write of it then fails at once.

    Args:
        find_socket: returns the socket in use at that time (TLS replaces the object), None while there is none.
    """
    done = threading.Event()

    def hang_up() -> None:
        wait = limit.total_seconds()
        while not done.wait(wait):
            wait = RETRY_EVERY  # the socket may only just come into being
            found = find_socket()
            if found is not None:
                with suppress(OSError):  # it is closed already: nothing waits on it
                    # Not found.shutdown(): of a TLS socket that takes its state away under the thread that reads.
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    threading.Thread(target=hang_up, name="deadline", daemon=True).start()
    try:
        yield
    finally:
        done.set()
