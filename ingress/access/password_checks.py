"""Passwords are checked by one thread that steps back for all others: sign-ins must not slow down POST /jobs."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

from gristmill.shared.errors import UnavailableError
from gristmill.shared.people.passwords import hash_password, password_matches

COME_AGAIN: Final = range(2, 9)  # seconds, drawn: those who came together do not come again together
PATIENCE: Final = 10.0  # seconds that a request waits for its turn: a busy machine lets this thread run seldom
NICENESS: Final = 19  # the most: with 10 the p99 of POSTs was half as long again, while all processors were busy

BUSY: Final = "As many people are signing in as this process takes at once; try again"
LATE: Final = "The password could not be checked in time; try again"


class PasswordChecks:
    """The checks of one process, one after the other: each takes some 20 ms and 19 MiB.

    Args:
        most: requests that may wait at a time; each holds one of the server's threads.
        patience: seconds that one waits.
    """

    def __init__(self, *, most: int, patience: float = PATIENCE) -> None:
        self.most = most
        self._room = threading.BoundedSemaphore(most)
        self._patience = patience
        self._rests_until = 0.0  # by the monotonic clock
        # It starts its thread with the first check: a thread does not live on in a process that forks.
        self._thread = ThreadPoolExecutor(1, "password checks", initializer=_begin)

    @contextmanager
    def place(self) -> Iterator[Callable[[str | None, str], bool]]:
        """Yield what checks one password, before anything is done for whoever shows it.

        Raises:
            UnavailableError: too many are at it already.
        """
        if not self._room.acquire(blocking=False):
            raise UnavailableError(BUSY, retry_after=secrets.choice(COME_AGAIN))
        try:
            yield self._matches
        finally:
            self._room.release()

    def _matches(self, password_hash: str | None, password: str) -> bool:
        """Say whether `password` is the one that was hashed; of no hash it takes the same time to say no.

        Raises:
            UnavailableError: it took longer than the patience.
        """
        check = self._thread.submit(self._check, password_hash, password)
        try:
            return check.result(self._patience)
        except TimeoutError:
            check.cancel()
            raise UnavailableError(LATE) from None

    def _check(self, password_hash: str | None, password: str) -> bool:
        """Check it, after a rest of as long as the check before took: half of the time is everybody else's."""
        time.sleep(max(0.0, self._rests_until - time.monotonic()))
        began_at = time.monotonic()
        try:
            return _matches(password_hash, password)
        finally:
            ended_at = time.monotonic()
            self._rests_until = ended_at + (ended_at - began_at)


def _begin() -> None:
    if sys.platform == "linux":  # elsewhere a priority is that of the whole process
        thread = threading.get_native_id()
        with suppress(OSError):  # a priority is nothing to fail for
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
    _nobodys_hash()  # not during the first check of an unknown address: it would take twice as long as others


def _matches(password_hash: str | None, password: str) -> bool:
    matches = password_matches(password_hash or _nobodys_hash(), password)
    return matches and password_hash is not None


@cache
def _nobodys_hash() -> str:
    """Return the hash of a password that nobody knows."""
    return hash_password(secrets.token_urlsafe())
