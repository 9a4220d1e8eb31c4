"""Run committed steps of bulk work within the time of one request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, TypeVar

from gristmill.shared.errors import FilterTooSlowError

T = TypeVar("T")

BUDGET: Final = 15.0  # seconds; the rest is left for the next request


def within_time_budget(steps: Iterator[T], nothing: T) -> T:
    """Run `steps` for `BUDGET` seconds at most, and return the last progress; `nothing` without a step.

    Raises:
        FilterTooSlowError: raised by the first step. In a later step the rest is left for the next request.
    """
    ends_at = time.monotonic() + BUDGET
    done = nothing
    try:
        while time.monotonic() < ends_at and (so_far := next(steps, None)) is not None:
            done = so_far
    except FilterTooSlowError:
        if done is nothing:
            raise
    return done
