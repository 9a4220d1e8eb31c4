"""How many jobs one hint may carry: under backlog several portions, each of which has its claim and its commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gristmill.shared.task import Task

# So many that the message costs a small part of what it carries, and so few that workers end together.
MOST: Final = 8
# Seconds after which a hint begins no more portions: what is left goes back, to whoever is idle. Far below the grace of
# the hard limit (workers/celery/app.py), which is that of one portion.
TURN: Final = 0.5
# Of tasks that may run longer, and of those that wait for others (a mail server that hangs), each hint carries one
# portion: nobody waits behind such a job while others idle.
SHORT: Final = timedelta(minutes=1)
Item = TypeVar("Item")


def portion_of(task: Task | None) -> int:
    """Return how many jobs of a task run at once: its bundle; 1 of a task that is not known here."""
    return task.bundle if task is not None else 1


def most_in_hint(task: Task | None) -> int:
    """Return how many jobs of a task one hint may carry."""
    shares = task is not None and task.effects == "database" and task.time_limit <= SHORT
    return (MOST if shares else 1) * portion_of(task)


def portions(items: Sequence[Item], size: int, is_stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
    """Yield `items` in portions, the next one when the caller is done with the one before.

    Raises:
        TurnIsOverError: some are left, and either the turn is over or the worker was told to stop.
    """
    ends_at = time.monotonic() + TURN
    for first in range(0, len(items), size):
        if is_stopping() or (first and time.monotonic() > ends_at):
            raise TurnIsOverError
        yield items[first : first + size]


class TurnIsOverError(Exception):
    """What is left of a hint is for another turn."""
