"""Reasons why a live job has not ended: their codes, and the wording of times and counts in their messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from gristmill.shared.database import bounded_count

REASONS: Final = (
    "not_due",
    "retrying",
    "snoozed",
    "expired",
    "queue_paused",
    "queue_undeclared",
    "no_relay",
    "broker_unreachable",
    "not_published",
    "no_worker",
    "behind_others",
    "workers_busy",
    "next",
    "hint_missing",
    "running",
    "cancel_requested",
    "lease_over",
)


@dataclass(frozen=True, slots=True)
class WaitReason:
    """The reason why a live job has not ended.

    Attributes:
        reason: one of `REASONS`.
        message: one sentence for people.
        details: the times, numbers and names that it was concluded from, as JSON can hold them.
    """

    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Return the reason and its details, as the API shows them beside the message."""
        return {"reason": self.reason, **self.details}


def write_time(time: datetime) -> str:
    """Return a time in UTC, to the second."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def write_span(span: timedelta) -> str:
    """Return a length of time in its largest sensible unit: `3 s`, `12 min`, `5 h`, `2 days`."""
    seconds = max(0, round(span.total_seconds()))
    for unit, size, until in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < until:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} days"


def write_count(count: int) -> str:
    """Return a count that ends at `bounded_count.MOST_COUNTED`."""
    return f"{count:,}" if count <= bounded_count.MOST_COUNTED else f"more than {bounded_count.MOST_COUNTED:,}"
