"""Enqueue jobs: check their arguments, and write them with their hints in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from uuid_utils.compat import uuid7

from gristmill.shared.base.sealing import seal
from gristmill.shared.database.connect import SECRET_KEY
from gristmill.shared.errors import IdempotencyConflictError, QuotaExceededError
from gristmill.shared.jobs.encode_args import encode_args
from gristmill.shared.jobs.insert import Accepted, find_repeated, insert_jobs
from gristmill.shared.jobs.options import JobOptions
from gristmill.shared.jobs.quota import remaining_quota
from gristmill.shared.jobs.terms import NewJob, Terms
from gristmill.shared.queues import PRIORITY_QUEUE
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.settings import Secret

__all__ = ["JobOptions", "Refusal", "accept", "enqueue", "prepare", "prepare_on", "terms_of"]

Refusal = IdempotencyConflictError | QuotaExceededError


def terms_of(task: Task, options: JobOptions, *, quota: int | None = None) -> Terms:
    """Return the terms that all jobs of `task` with these options share."""
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
    """Check `args` (JSON values) against the schema of the task, and return the job to be written. Writes nothing.

    Raises:
        InvalidArgsError: the arguments do not fit the task's schema.
    """
    return prepare_on(terms_of(task, options), task, args, secret_key=secret_key)


def prepare_on(terms: Terms, task: Task, args: Mapping[str, Any], *, secret_key: Secret) -> NewJob:
    """Prepare one of many jobs that share their terms, which are computed only once.

    Args:
        terms: returned by `terms_of` for this task.

    Raises:
        InvalidArgsError: the arguments do not fit the task's schema.
    """
    task.load_args(args)
    return NewJob(uuid7(), seal(secret_key, args, task.secret_args), terms)


def accept(session: Session, jobs: list[NewJob]) -> list[Accepted | Refusal]:
    """Write `jobs` and their hints by one statement; they exist once the caller's transaction commits.

    A quota is exact, also between processes: transactions that write for a producer with a quota take turns.

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
    """Return, by id, the refusals of those `jobs` that exceed a quota."""
    refused: dict[UUID, QuotaExceededError] = {}
    for producer, room in remaining_quota(session, quotas).items():
        own = [job for job in jobs if job.producer_id == producer]
        if len(own) > room:
            repeated = find_repeated(session, own)  # these add no job
            new = [job.id for job in own if job.id not in repeated]
            refused |= {job_id: _quota_exceeded(quotas[producer]) for job_id in new[room:]}
    return refused


def _quota_exceeded(quota: int) -> QuotaExceededError:
    msg = f"{quota} jobs of this producer are in flight, as many as its quota allows; try again when some have ended"
    return QuotaExceededError(msg, {"quota": quota})


def enqueue(session: Session, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
    """Enqueue one job in a transaction of the platform: it exists if and only if that transaction commits.

    For all other transactions there is `gristmill.shared.enqueuing.enqueue`, which calls this one in ours.

    Args:
        session: from `Database.transaction()` or `ctx.session`.
        args: the arguments of the task; UUIDs, datetimes and similar values are encoded as JSON strings.

    Returns:
        The id of the job, or of the live job with the same unique key.

    Raises:
        UnknownTaskError: no task has this name.
        InvalidArgsError: the arguments do not fit its schema.
    """
    chosen = registry.get(task) if isinstance(task, str) else task
    plain = encode_args(chosen.name, args)
    job = prepare(chosen, plain, options or JobOptions(), secret_key=session.info[SECRET_KEY])
    result = accept(session, [job])[0]
    if not isinstance(result, Accepted):
        raise result
    return result.id
