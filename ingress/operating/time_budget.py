"""Work in steps that are committed one by one, within the time of one request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, TypeVar

from gristmill.shared.errors import FilterTooSlowError

T = TypeVar("T")

PATIENCE: Final = 15.0  # seconds; what is not done by then is left for the next request


def as_far_as_possible(steps: Iterator[T], nothing: T) -> T:
    """Return the last progress of `steps` that the patience allows; `nothing` when there was no step.

    Raises:
        FilterTooSlowError: of the first step; one that comes later leaves the rest for the next request.
    """
    ends_at = time.monotonic() + PATIENCE
    done = nothing
    try:
        while time.monotonic() < ends_at and (so_far := next(steps, None)) is not None:
            done = so_far
    except FilterTooSlowError:
        if done is nothing:
            raise
    return done
