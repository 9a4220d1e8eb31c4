"""Insert new jobs with their keys and hints by one statement, or return the earlier job that they repeat."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from gristmill.shared.errors import IdempotencyConflictError, UnavailableError
from gristmill.shared.jobs.idempotency import (
    ProducerKey,
    StoredAnswer,
    UniqueKey,
    find_live_duplicates,
    find_stored_answers,
    redirect_keys,
)
from gristmill.shared.jobs.insert_statement import ACCEPT, ACCEPT_WITHOUT_KEYS, WRITTEN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gristmill.shared.jobs.terms import NewJob, Terms

OUTBOX_CHANNEL: Final = "gristmill_outbox"
_TRIES: Final = 3  # a live duplicate can end between our INSERT and our SELECT, hardly three times in a row


class Accepted(NamedTuple):
    """An accepted job as its producer is told of it. The times are the database's."""

    id: UUID
    task: str
    queue: str
    state: str
    priority: str
    run_at: datetime
    expires_at: datetime | None
    created_at: datetime
    replayed: bool = False
    duplicate: bool = False


def insert_new(session: Session, jobs: Sequence[NewJob]) -> dict[UUID, Accepted]:
    """Insert those of `jobs` that repeat no earlier job, with their keys and hints, and return them by id.

    This is one statement. In a session that commits by itself (`Database.autocommit`) it takes effect as a whole.

    Args:
        jobs: in a session that commits by itself, only jobs with `takes_one_statement`.
    """
    by_terms: dict[Terms, list[NewJob]] = {}
    for job in jobs:
        by_terms.setdefault(job.terms, []).append(job)
    groups = list(by_terms.values())
    rows = [{"number": number, **group[0].terms.columns, **_columns(group)} for number, group in enumerate(groups)]
    values = {"terms": orjson.dumps(rows).decode()}
    if any("idempotency_keys" in row or row.get("unique_key") is not None for row in rows):
        by_id = {job.id: job for job in jobs}
        return {written[0]: _accepted_as(by_id[written[0]], written) for written in ACCEPT.rows(session, values)}
    groups_written = ACCEPT_WITHOUT_KEYS.rows(session, values)
    return {job.id: _accepted_as(job, written) for written in groups_written for job in groups[written[0]]}


def _columns(jobs: Sequence[NewJob]) -> dict[str, list[Any]]:
    """Return the columns that differ between jobs with the same terms."""
    columns: dict[str, list[Any]] = {"ids": [job.id for job in jobs], "args": [job.args for job in jobs]}
    if any(job.idempotency_key is not None for job in jobs):
        columns["idempotency_keys"] = [job.idempotency_key for job in jobs]
        columns["body_hashes"] = [job.body_hash for job in jobs]
    return columns


def _accepted_as(job: NewJob, written: tuple[Any, ...]) -> Accepted:
    """Combine a job with its row of the result, which holds the state and the times after the first column."""
    columns = job.terms.columns
    return Accepted(job.id, columns["task"], columns["queue"], written[1], columns["priority"], *written[2:5])


def insert_jobs(session: Session, jobs: Sequence[NewJob]) -> list[Accepted | IdempotencyConflictError]:
    """Insert jobs, their idempotency keys and their hints by one statement, and notify the relays at its commit.

    Returns:
        One result for each, in order: the job; or the earlier job (`replayed`, `duplicate`) of the same
        idempotency or unique key; or, as a value, the error of a key that was used with another body.

    Raises:
        UnavailableError: a job with the same unique key ended and another one began at each try.
    """
    results: dict[UUID, Accepted | IdempotencyConflictError] = {}
    pending = jobs
    for _ in range(_TRIES):
        results |= insert_new(session, pending)
        pending = [job for job in pending if job.id not in results]
        if pending:
            results |= _find_existing(session, pending)
            pending = [job for job in pending if job.id not in results]
        if not pending:
            return [results[job.id] for job in jobs]
    msg = "Jobs with this unique key end and begin again right now; try again"
    raise UnavailableError(msg)


def _accepted(row: RowMapping, **marks: bool) -> Accepted:
    return Accepted(
        id=row["id"],
        task=row["task"],
        queue=row["queue"],
        state=row["state"],
        priority=row["priority"],
        run_at=row["run_at"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        **marks,
    )


def replay(stored: StoredAnswer, key: str, body_hash: str) -> Accepted | IdempotencyConflictError:
    """Return the answer to a repeated key: the stored one, or (as a value) an error when the body is another one."""
    if stored.body_hash == body_hash:
        return _accepted(stored.answer, replayed=True, duplicate=stored.answer["duplicate"])
    msg = (
        f"Idempotency-Key {key!r} was used with another body in the last 24 hours; "
        "send the same body again, or another key"
    )
    return IdempotencyConflictError(msg, {"idempotency_key": ["used with another body"]})


def _find_existing(session: Session, jobs: Sequence[NewJob]) -> dict[UUID, Accepted | IdempotencyConflictError]:
    """Return, by id, the answers to those of `jobs` that repeat an earlier job."""
    keys = _idempotency_keys(jobs)
    found: dict[UUID, Accepted | IdempotencyConflictError] = {}
    if keys:
        stored = find_stored_answers(session, set(keys.values()))
        for job in jobs:
            answer = stored.get(keys[job.id]) if job.id in keys else None
            if answer is not None:
                found[job.id] = replay(answer, job.idempotency_key or "", job.body_hash or "")
    unique_keys = _unique_keys(job for job in jobs if job.id not in found)
    if unique_keys:
        duplicates = find_live_duplicates(session, set(unique_keys.values()))
        existing = {job_id: duplicates[key] for job_id, key in unique_keys.items() if key in duplicates}
        found |= {job_id: _accepted(row, duplicate=True) for job_id, row in existing.items()}
        redirected = {keys[job_id]: row for job_id, row in existing.items() if job_id in keys}
        if redirected:
            redirect_keys(session, redirected)
    return found


def find_written(session: Session, ids: Collection[UUID]) -> dict[UUID, Accepted]:
    """Return those of `ids` that are jobs, as they were accepted. It decides when the result of a COMMIT was lost."""
    return {row["id"]: _accepted(row) for row in session.execute(WRITTEN, {"ids": list(ids)}).mappings()}


def find_repeated(session: Session, jobs: Sequence[NewJob]) -> set[UUID]:
    """Return the ids of those `jobs` that would not be inserted now: their key was used, or a live job has theirs."""
    keys, unique_keys = _idempotency_keys(jobs), _unique_keys(jobs)
    stored = find_stored_answers(session, set(keys.values())) if keys else {}
    duplicates = find_live_duplicates(session, set(unique_keys.values())) if unique_keys else {}
    return {job_id for job_id, key in keys.items() if key in stored} | {
        job_id for job_id, key in unique_keys.items() if key in duplicates
    }


def _idempotency_keys(jobs: Iterable[NewJob]) -> dict[UUID, ProducerKey]:
    """Return, by id, the idempotency keys of those jobs that have one. Only jobs of a producer have one."""
    return {
        job.id: (job.producer_id, job.idempotency_key)
        for job in jobs
        if job.idempotency_key is not None and job.producer_id is not None
    }


def _unique_keys(jobs: Iterable[NewJob]) -> dict[UUID, UniqueKey]:
    """Return, by id, the unique keys of those jobs that have one."""
    return {
        job.id: (job.terms.columns["task"], job.unique_key, job.producer_id)
        for job in jobs
        if job.unique_key is not None
    }
