"""Limit the time of a handler by a timer of the child process itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from gristmill.shared.errors import TransientError


class TimeLimitExceededError(TransientError):
    """The handler ran longer than its task allows."""

    code = "TASK_TIME_LIMIT_001"


@contextmanager
def alarm_clock() -> Iterator[None]:
    """Have the process's alarm end handlers until the block ends. Main thread of a child only."""
    before = signal.signal(signal.SIGALRM, _on_alarm)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


class TimeLimit:
    """Raises TimeLimitExceededError in the handler when `limit` is over. Inside `alarm_clock()` only.

    It is armed around the handler and nothing else, so that it never strikes inside a COMMIT (Celery's soft limit
    would). Code that does not return to Python is ended by the hard limit, which kills the process.
    """

    __slots__ = ("_seconds",)

    def __init__(self, limit: timedelta) -> None:
        self._seconds = limit.total_seconds()

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    raise TimeLimitExceededError("The handler ran longer than the time limit of its task")
