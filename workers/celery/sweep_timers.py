"""Sweep cancelled timers out of a worker, which would keep each until its time."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kombu.asynchronous.timer import Timer

# Celery starts a timer for the hard limit of each hint, and cancels it when the hint is done; kombu only marks it. The
# limit of a bundle may be an hour and more: a worker with a backlog held half a kilobyte for each hint of that hour.
EVERY: Final = 10.0  # seconds; a sweep then drops some thousand entries in half a millisecond


def sweep(timer: Timer) -> None:
    """Drop the cancelled entries of `timer`, in place. Call it from the timer's own thread, as one of its entries."""
    queue = timer._queue  # noqa: SLF001  its only way to drop entries is clear(), which drops all
    queue[:] = [each for each in queue if not each.entry.canceled]
    heapq.heapify(queue)
