"""Accept jobs: check them against their task, and write them with their hints in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from gristmill.shared.base.sealing import seal
from gristmill.shared.database.connect import SECRET_KEY
from gristmill.shared.errors import IdempotencyConflictError, InvalidArgsError, QuotaExceededError
from gristmill.shared.jobs.insert import Accepted, find_known, insert_jobs
from gristmill.shared.jobs.quota import measure_room
from gristmill.shared.jobs.terms import NewJob, Terms
from gristmill.shared.queues import PRIORITY_QUEUE
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.settings import Secret

Priority = Literal["normal", "high"]
Refusal = IdempotencyConflictError | QuotaExceededError


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What a producer may say about a job beside its task and arguments.

    Attributes:
        run_at: not before this time; in the past means now. Instead of `delay`.
        delay: not before this long after it was accepted.
        expires_at: no longer wanted after this time; by default run_at plus the time to live of its queue.
        unique_key: while a live job of the same producer and task has this key, no second one is made.
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


def terms_of(task: Task, options: JobOptions, *, quota: int | None = None) -> Terms:
    """Return what jobs of `task` that are posted with these options have in common."""
    queue = PRIORITY_QUEUE if options.priority == "high" else task.queue
    columns = {
        "task": task.name,
        "queue": queue.name,
        "priority": options.priority,
        "max_attempts": options.max_attempts or task.retry.max_attempts,
        "run_at": options.run_at,
        "delay": options.delay.total_seconds() if options.delay is not None else None,
        "expires_at": options.expires_at,
        "time_to_live": queue.time_to_live.total_seconds() if queue.time_to_live is not None else None,
        "unique_key": options.unique_key,
        "callback_url": options.callback_url,
        "tags": options.tags or None,
        "parent_id": options.parent_id,
        "producer_id": options.producer_id,
        "traceparent": options.traceparent,
    }
    return Terms({name: value for name, value in columns.items() if value is not None}, quota)


def prepare(task: Task, args: Mapping[str, Any], options: JobOptions, *, secret_key: Secret) -> NewJob:
    """Check `args` (as JSON knows them) against the task and return the job to be written. Touches nothing.

    Raises:
        InvalidArgsError: the arguments do not fit the task's schema.
    """
    return prepare_on(terms_of(task, options), task, args, secret_key=secret_key)


def prepare_on(terms: Terms, task: Task, args: Mapping[str, Any], *, secret_key: Secret) -> NewJob:
    """Do what `prepare` does for one of many jobs that are posted alike: what they share is worked out only once.

    Args:
        terms: made by `terms_of` for this task.

    Raises:
        InvalidArgsError: the arguments do not fit the task's schema.
    """
    task.load_args(args)
    return NewJob(uuid7(), seal(secret_key, args, task.secret_args), terms)


def accept(session: Session, jobs: list[NewJob]) -> list[Accepted | Refusal]:
    """Write `jobs` with their hints, by one statement; they exist when the caller's transaction commits.

    A quota is exact, also between processes: those who write for a producer with one do so one after the other.

    Returns:
        One result for each, in order: the job, the earlier job of the same idempotency or unique key, or (as a value)
        the error of an idempotency key that was used with another body, or of a quota that is used up.
    """
    quotas = {job.producer_id: job.terms.quota for job in jobs if job.terms.quota is not None and job.producer_id}
    refused = _beyond_quota(session, jobs, quotas) if quotas else {}
    allowed = [job for job in jobs if job.id not in refused]
    written = iter(insert_jobs(session, allowed) if allowed else [])
    return [refused.get(job.id) or next(written) for job in jobs]


def _beyond_quota(session: Session, jobs: list[NewJob], quotas: Mapping[UUID, int]) -> dict[UUID, QuotaExceededError]:
    """Return, by id, the refusals of those `jobs` that there is no room for."""
    refused: dict[UUID, QuotaExceededError] = {}
    for producer, room in measure_room(session, quotas).items():
        theirs = [job for job in jobs if job.producer_id == producer]
        if len(theirs) > room:
            known = find_known(session, theirs)  # these make no new job
            new = [job.id for job in theirs if job.id not in known]
            refused |= {job_id: _quota_exceeded(quotas[producer]) for job_id in new[room:]}
    return refused


def _quota_exceeded(quota: int) -> QuotaExceededError:
    msg = f"{quota} jobs of this producer are in flight, as many as its quota allows; try again when some have ended"
    return QuotaExceededError(msg, {"quota": quota})


def enqueue(session: Session, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
    """Enqueue one job in the caller's transaction: it exists if and only if that transaction commits.

    Args:
        session: from `Database.transaction()` or `ctx.session`.
        args: the task's arguments; UUIDs, datetimes and the like are written as JSON writes them.

    Returns:
        The id of the job, or of the live job with the same unique key.

    Raises:
        UnknownTaskError: no task has this name.
        InvalidArgsError: the arguments do not fit its schema.
    """
    chosen = registry.get(task) if isinstance(task, str) else task
    try:
        plain: dict[str, Any] = orjson.loads(orjson.dumps(args))
    except orjson.JSONEncodeError as error:
        msg = f"The arguments of {chosen.name} cannot be written as JSON: {error}"
        raise InvalidArgsError(msg) from error
    job = prepare(chosen, plain, options or JobOptions(), secret_key=session.info[SECRET_KEY])
    result = accept(session, [job])[0]
    if not isinstance(result, Accepted):
        raise result
    return result.id
