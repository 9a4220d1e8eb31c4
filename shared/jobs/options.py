"""Options of a job, beside its task and arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

Priority = Literal["normal", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """Options of a job, beside its task and arguments.

    Attributes:
        run_at: the job is due at this time; a time in the past means now. Excludes `delay`.
        delay: the job is due this long after it was accepted.
        priority: a job with priority high goes through the priority queue.
        expires_at: the job is not begun after this time; by default run_at plus the time to live of its queue.
        max_attempts: instead of the number that the retry policy of the task says.
        unique_key: while a live job of the same producer and task has this key, no second one is created.
        callback_url: receives a signed POST when the job has ended; only for the jobs of a producer.
        tags: 20 at most, of 64 characters at most; jobs are found by them.
        parent_id: the job that this one is a part of.
        producer_id: the producer that owns the job; only the platform sets it.
        traceparent: the W3C trace context that the job belongs to.
    """

    run_at: datetime | None = None
    delay: timedelta | None = None
    priority: Priority = "normal"
    expires_at: datetime | None = None
    max_attempts: int | None = None
    unique_key: str | None = None
    callback_url: str | None = None
    tags: tuple[str, ...] = ()
    parent_id: UUID | None = None
    producer_id: UUID | None = None
    traceparent: str | None = None

    def child_of(self, parent_id: UUID, traceparent: str | None) -> JobOptions:
        """Return the same options for a child of job `parent_id`."""
        return replace(self, parent_id=parent_id, traceparent=self.traceparent or traceparent)
