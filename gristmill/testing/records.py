"""Records that a test gets: jobs, attempts and dead letters, as they are at that moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job.

    Attributes:
        args: as its handler gets them before the schema loads them: JSON values, secret ones unsealed.
        state: `scheduled`, `queued`, `running`, `retrying`, `succeeded`, `dead` or `cancelled`.
        attempt: the number of attempts so far.
        result: the result of its handler as JSON knows it, once it has succeeded.
        parent_id: the job whose handler enqueued it.
        producer_id: the producer that posted it over HTTP.
    """

    id: UUID
    task: str
    args: dict[str, Any]
    state: str
    queue: str
    priority: str
    attempt: int
    max_attempts: int
    run_at: datetime
    expires_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    result: Any
    unique_key: str | None
    tags: tuple[str, ...]
    callback_url: str | None
    parent_id: UUID | None
    producer_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that was made.

    Attributes:
        number: the number of the attempt, from 1.
        state: the state of its job afterwards: `succeeded`, `retrying`, `dead`, `cancelled`, or `scheduled` (snoozed).
        result: what the handler returned: a value as JSON knows it, a `Discard`, a `Snooze` or a `Cancel`.
        error: what the handler raised, or what refused its result or its rows; None without an error.
    """

    job_id: UUID
    task: str
    number: int
    state: str
    result: Any
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An open dead letter.

    Attributes:
        reason: `exhausted`, `permanent`, `discarded`, `expired` and so on.
        error_code: the code of the last error; for a `Discard` its own.
        attempts: the number of attempts that were made.
    """

    id: UUID
    job_id: UUID | None
    task: str | None
    queue: str
    reason: str
    error_type: str | None
    error_code: str | None
    error_message: str | None
    attempts: int
    created_at: datetime
