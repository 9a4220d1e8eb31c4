"""An end for a conversation over a socket as a whole: the timeout of each read does not stop a server that drips."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

AGAIN: Final = 0.5  # seconds


@contextmanager
def hang_up_after(limit: timedelta, find_socket: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Shut the socket down when the block takes longer than `limit`; what waits on it then fails at once.

    Args:
        find_socket: returns the socket in use at that time (TLS puts another object in its place), None when there is
            none yet.
    """
    done = threading.Event()

    def watch() -> None:
        wait = limit.total_seconds()
        while not done.wait(wait):
            wait = AGAIN  # the socket may only just come into being
            found = find_socket()
            if found is not None:
                with suppress(OSError):  # it is closed already: nothing waits on it
                    # Not found.shutdown(): of a TLS socket that takes its state away under the thread that reads.
                    socket.socket.shutdown(found, socket.SHUT_RDWR)

    threading.Thread(target=watch, name="deadline", daemon=True).start()
    try:
        yield
    finally:
        done.set()
