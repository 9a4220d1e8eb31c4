"""Lend the alarm of the process to handlers: their time limits use it, and so does pytest-timeout."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gristmill.testing.mill_error import MillError

_LEAST: Final = 0.001  # seconds: an alarm that is overdue rings at once


@contextmanager
def lent_alarm() -> Iterator[None]:
    """Stop a timer that is set, and set it again for the rest of its time when the block ends.

    Raises:
        MillError: this is not the main thread, and only that one gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        msg = "Handlers run under a time limit, which only the main thread can have: call the mill from there"
        raise MillError(msg)
    seconds, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    began = time.monotonic()
    try:
        yield
    finally:
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, max(_LEAST, seconds - (time.monotonic() - began)), interval)
