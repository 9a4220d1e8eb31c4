"""Check passwords in one thread of low priority, so that sign-ins do not slow down POST /jobs."""

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

RETRY_AFTER: Final = range(2, 9)  # seconds, drawn at random: requests refused together do not return together
PATIENCE: Final = 10.0  # seconds that a request waits for its check: on a busy machine this thread seldom runs
NICENESS: Final = 19  # the maximum: with 10 the p99 of POSTs was 1.5 times as long while all processors were busy

BUSY: Final = "Too many people are signing in at once; try again"
LATE: Final = "The password could not be checked in time; try again"


class PasswordChecks:
    """The password checks of one process, one at a time: each takes some 20 ms and 19 MiB.

    Args:
        most: requests that may wait at once; each occupies one of the server's threads.
        patience: seconds that a request waits.
    """

    def __init__(self, *, most: int, patience: float = PATIENCE) -> None:
        self.most = most
        self._room = threading.BoundedSemaphore(most)
        self._patience = patience
        self._pauses_until = 0.0  # by the monotonic clock
        # Its thread starts with the first check: a thread does not survive a fork.
        self._thread = ThreadPoolExecutor(1, "password checks", initializer=_start)

    @contextmanager
    def slot(self) -> Iterator[Callable[[str | None, str], bool]]:
        """Yield a function that checks one password. Take the slot before any other work for the sign-in.

        Raises:
            UnavailableError: all slots are taken.
        """
        if not self._room.acquire(blocking=False):
            raise UnavailableError(BUSY, retry_after=secrets.choice(RETRY_AFTER))
        try:
            yield self._matches
        finally:
            self._room.release()

    def _matches(self, password_hash: str | None, password: str) -> bool:
        """Return whether `password` has this hash; without a hash the answer is False after the same time.

        Raises:
            UnavailableError: the check took longer than the patience.
        """
        check = self._thread.submit(self._check, password_hash, password)
        try:
            return check.result(self._patience)
        except TimeoutError:
            check.cancel()
            raise UnavailableError(LATE) from None

    def _check(self, password_hash: str | None, password: str) -> bool:
        """Check, after a pause as long as the previous check took: half of the time belongs to other threads."""
        time.sleep(max(0.0, self._pauses_until - time.monotonic()))
        began_at = time.monotonic()
        try:
            return _matches(password_hash, password)
        finally:
            ended_at = time.monotonic()
            self._pauses_until = ended_at + (ended_at - began_at)


def _start() -> None:
    if sys.platform == "linux":  # elsewhere the priority is that of the whole process
        thread = threading.get_native_id()
        with suppress(OSError):  # a wrong priority is no reason to fail
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
    _unknown_hash()  # made now: otherwise the first check of an unknown address would take twice as long


def _matches(password_hash: str | None, password: str) -> bool:
    matches = password_matches(password_hash or _unknown_hash(), password)
    return matches and password_hash is not None


@cache
def _unknown_hash() -> str:
    """Return the hash of a random password, for addresses without an account."""
    return hash_password(secrets.token_urlsafe())
