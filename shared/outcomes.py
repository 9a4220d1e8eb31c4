"""Outcomes that a handler can return: discard, snooze, cancel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Discard:
    """End the job without success and without another attempt: it becomes a dead letter with this code and reason.

    What the handler did on its session is rolled back.
    """

    reason: str
    code: str = "DISCARDED"


@dataclass(frozen=True, slots=True)
class Snooze:
    """Run the job again after `delay`; this attempt does not count against its limit. Effects so far are committed."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the job as cancelled, because it is no longer wanted. What the handler did on its session is rolled back."""

    reason: str


Outcome = Discard | Snooze | Cancel
