"""Limit how many jobs one hint carries: under backlog several portions, each with its own claim and commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gristmill.shared.task import Task

# So many that a message costs little beside its jobs, and so few that workers finish at about the same time.
MAX_PORTIONS: Final = 8
# Seconds after which a hint begins no more portions: the rest goes back into the queue, for any idle worker. Far below
# the grace of the hard limit (workers/hard_limit.py), which is that of one portion.
TURN: Final = 0.5
# A hint of a task that may run longer, or that waits for others (a mail server that hangs), carries one portion: no job
# waits behind such a job while another worker is idle.
SHORT: Final = timedelta(minutes=1)
Item = TypeVar("Item")


def portion_size(task: Task | None) -> int:
    """Return how many jobs of a task run at once: its bundle; 1 of a task that is not known here."""
    return task.bundle if task is not None else 1


def max_hint_size(task: Task | None) -> int:
    """Return how many jobs of a task one hint may carry."""
    carries_several = task is not None and task.effects == "database" and task.time_limit <= SHORT
    return (MAX_PORTIONS if carries_several else 1) * portion_size(task)


def split_hint(items: Sequence[Item], size: int, is_stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
    """Yield `items` in portions, each when the caller has finished the one before.

    Raises:
        TurnIsOverError: some are left, and the turn is over or the worker was told to stop.
    """
    ends_at = time.monotonic() + TURN
    for first in range(0, len(items), size):
        if is_stopping() or (first and time.monotonic() > ends_at):
            raise TurnIsOverError
        yield items[first : first + size]


class TurnIsOverError(Exception):
    """The rest of a hint is for another turn."""
