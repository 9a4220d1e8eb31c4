"""Compute the time after which a hint is ended by force: the process that runs it is killed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gristmill.shared.contract.options import longest_run

if TYPE_CHECKING:
    from gristmill.shared.task import Task

# Seconds beyond the limit of its jobs after which a child that did not end is killed by its parent. Of several portions
# the last one begins within half a second (workers/hint_size.py), so the limit of a hint is that of one.
HARD_LIMIT_GRACE: Final = 15


def hard_limit(task: Task, jobs: int = 1) -> int:
    """Return the seconds after which a hint whose portions have `jobs` jobs at most is ended by force."""
    return math.ceil(longest_run(task.time_limit, jobs).total_seconds()) + HARD_LIMIT_GRACE
