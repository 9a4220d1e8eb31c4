"""Records that a test gets: jobs, attempts and dead letters, as they are at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gristmill.shared.base.sealing import unseal
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from gristmill.shared.dead_letters.models import DeadLetter as LetterRow
    from gristmill.shared.jobs.models import Job as JobRow
    from gristmill.shared.settings import Secret


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


class Jobs(list[Job]):
    """Jobs that were found. When there is none, its text says which ones there are instead."""

    def __init__(self, found: Iterable[Job], *, instead_of: Sequence[Job] = ()) -> None:
        super().__init__(found)
        self._instead = instead_of

    def __repr__(self) -> str:
        if self or not self._instead:
            return super().__repr__()
        others = "; ".join(f"{job.task} {job.args}" for job in self._instead[:10])
        return f"[] (enqueued were: {others})"


def job_of(row: JobRow, secret_key: Secret) -> Job:
    """Return a row as the record of a job."""
    task = registry.find(row.task)
    names = ("id", "task", "state", "queue", "priority", "attempt", "max_attempts", "run_at", "expires_at")
    more = ("created_at", "finished_at", "result", "unique_key", "callback_url", "parent_id", "producer_id")
    return Job(
        args=unseal(secret_key, row.args, task.secret_args if task is not None else frozenset()),
        tags=tuple(row.tags),
        **{name: getattr(row, name) for name in (*names, *more)},
    )


def letter_of(row: LetterRow) -> DeadLetter:
    """Return a row as the record of a dead letter."""
    names = ("id", "job_id", "task", "queue", "reason", "error_type", "error_code", "error_message", "attempts")
    return DeadLetter(**{name: getattr(row, name) for name in (*names, "created_at")})


def matches(job: Job, task: str, args: Mapping[str, Any]) -> bool:
    """Return whether a job is one of a task and has these arguments, maybe among others."""
    return job.task == task and all(name in job.args and job.args[name] == value for name, value in args.items())
