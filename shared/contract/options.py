"""Check the options of a task's declaration that depend on each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

Effects = Literal["database", "outside"]

SHORTEST_LIMIT: Final = timedelta(seconds=1)
LONGEST_LIMIT: Final = timedelta(hours=6)  # RabbitMQ is told to wait this long for an ack, and a little more
LARGEST_BUNDLE: Final = 250


def limit_problem(effects: str, time_limit: timedelta) -> str | None:
    """Return the problem with a time limit or with `effects`, or None."""
    if not SHORTEST_LIMIT <= time_limit <= LONGEST_LIMIT:
        return f"time_limit={time_limit} must lie between {SHORTEST_LIMIT} and {LONGEST_LIMIT}"
    if effects not in ("database", "outside"):
        return f'effects={effects!r}: write "database" or "outside"'
    return None


def bundle_problem(bundle: int, *, effects: Effects, time_limit: timedelta, many: Any) -> str | None:
    """Return the problem with the size of a bundle, or None."""
    if not 1 <= bundle <= LARGEST_BUNDLE:
        return f"bundle={bundle} must lie between 1 and {LARGEST_BUNDLE}"
    if bundle > 1 and effects == "outside":
        return 'a task with effects="outside" runs alone: leave bundle at 1'
    if many is not None and bundle == 1:
        return "a handler for many needs bundles: write bundle=32, for instance"
    if longest_run(time_limit, bundle) > LONGEST_LIMIT:
        return f"bundle={bundle} with time_limit={time_limit} may run longer than {LONGEST_LIMIT}: lower one"
    return None


def longest_run(time_limit: timedelta, jobs: int) -> timedelta:
    """Return how long a hint of `jobs` jobs may run: each once, or each twice where one of many fails."""
    return time_limit * jobs * (1 if jobs == 1 else 2)
