"""Read rows as the records that a test gets, and find those that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gristmill.shared.base.sealing import unseal
from gristmill.shared.task import registry
from gristmill.testing.records import DeadLetter, Job

if TYPE_CHECKING:
    from gristmill.shared.dead_letters.models import DeadLetter as LetterRow
    from gristmill.shared.jobs.models import Job as JobRow
    from gristmill.shared.settings import Secret


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
