"""The time limit of one handler, kept by a timer of the child process itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from shared.errors import TransientError


class TimeLimitExceededError(TransientError):
    """The handler ran longer than its task allows."""

    code = "TASK_TIME_LIMIT_001"


@contextmanager
def time_limit(limit: timedelta) -> Iterator[None]:
    """Raise TimeLimitExceededError in the handler when `limit` is over. Main thread of a child only.

    It is armed around the handler and nothing else, so that it never strikes inside a COMMIT (Celery's soft limit
    would). Code that does not return to Python is ended by the hard limit, which kills the process.
    """

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        msg = f"The handler ran longer than its time limit of {limit.total_seconds():g} s"
        raise TimeLimitExceededError(msg)

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, limit.total_seconds())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
