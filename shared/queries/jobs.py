"""Jobs as rows: write new ones, find and list what is there."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, select, text
from sqlalchemy.orm import Session

from shared.errors import IdempotencyConflictError, JobNotFoundError, UnavailableError
from shared.models.jobs import Attempt, Job
from shared.queries.earlier import Earlier, KeyOf, TwinOf, find_by_keys, find_live_twins, point_keys_at
from shared.queries.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

OUTBOX_CHANNEL: Final = "gristmill_outbox"
_TRIES: Final = 3  # a live twin can end between our INSERT and our look at it, hardly three times in a row

_INCOMING: Final = """
    WITH incoming AS (
        SELECT r.*, statement_timestamp() AS created_at,
               greatest(coalesce(r.run_at, statement_timestamp() + coalesce(r.delay, 0) * interval '1 second'),
                        statement_timestamp()) AS due_at
        FROM json_to_recordset(CAST(:rows AS json)) AS r(
            id uuid, task text, queue text, args jsonb, priority text, max_attempts int, run_at timestamptz,
            delay double precision, expires_at timestamptz, time_to_live double precision, unique_key text,
            callback_url text, tags text[], parent_id uuid, producer_id uuid, traceparent text,
            idempotency_key text, body_hash text)
    )"""
# Both inserts of keys go by their order: two of these statements wait for each other instead of deadlocking.
_KEYED: Final = """, keyed AS (
        INSERT INTO idempotency_keys (producer_id, key, body_hash, job_id, state, run_at, job_expires_at, created_at,
                                      expires_at)
        SELECT DISTINCT ON (producer_id, idempotency_key) producer_id, idempotency_key, body_hash, id,
               CASE WHEN due_at > created_at THEN 'scheduled' ELSE 'queued' END, due_at,
               coalesce(expires_at, due_at + time_to_live * interval '1 second'), created_at,
               created_at + interval '24 hours'
        FROM incoming WHERE idempotency_key IS NOT NULL
        ORDER BY producer_id, idempotency_key, id
        ON CONFLICT (producer_id, key) DO UPDATE
        SET body_hash = excluded.body_hash, job_id = excluded.job_id, state = excluded.state,
            run_at = excluded.run_at, job_expires_at = excluded.job_expires_at, created_at = excluded.created_at,
            expires_at = excluded.expires_at, duplicate = false
        WHERE idempotency_keys.expires_at <= statement_timestamp() OR idempotency_keys.job_id = excluded.job_id
        RETURNING job_id
    )"""
_JOBS: Final = """, inserted AS (
        INSERT INTO jobs (id, task, queue, args, state, priority, max_attempts, run_at, expires_at, unique_key,
                          callback_url, tags, parent_id, producer_id, traceparent, created_at)
        SELECT id, task, queue, args, CASE WHEN due_at > created_at THEN 'scheduled' ELSE 'queued' END, priority,
               max_attempts, due_at, coalesce(expires_at, due_at + time_to_live * interval '1 second'), unique_key,
               callback_url, coalesce(tags, '{}'), parent_id, producer_id, traceparent, created_at
        FROM incoming"""
_UNLESS_KNOWN: Final = """
        WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM keyed)
        ORDER BY unique_key NULLS FIRST, task, producer_id, id
        ON CONFLICT (task, unique_key, producer_id)
            WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'retrying')
            DO NOTHING"""
_WITH_HINTS: Final = """
        RETURNING id, task, queue, state, run_at, expires_at, created_at
    ), hinted AS (
        INSERT INTO outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM inserted
    ), notified AS (
        SELECT pg_notify('gristmill_outbox', '') FROM inserted WHERE state = 'queued' LIMIT 1
    )
    SELECT id, state, run_at, expires_at, created_at, (SELECT count(*) FROM notified) AS notified FROM inserted
    """
_INSERT = Prepared("accept_jobs", text(_INCOMING + _KEYED + _JOBS + _UNLESS_KNOWN + _WITH_HINTS), {"rows": "text"})
# Of jobs without keys, which no earlier one can stand in the way of. Looking for one takes a fifth of the statement.
_INSERT_WITHOUT_KEYS = Prepared("accept_jobs_without_keys", text(_INCOMING + _JOBS + _WITH_HINTS), {"rows": "text"})


_WRITTEN = text(
    """
    SELECT id, task, queue, CASE WHEN run_at > created_at THEN 'scheduled' ELSE 'queued' END AS state, priority,
           run_at, expires_at, created_at
    FROM jobs WHERE id = ANY(:ids)
    """
)


class Accepted(NamedTuple):
    """What a producer is told of a job that was accepted. Its times are the database's."""

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


def insert_new(session: Session, rows: list[dict[str, Any]]) -> dict[UUID, Accepted]:
    """Write those of `rows` that nothing stands in the way of, with their keys and hints; return them by id.

    It is one statement: in a session that commits by itself all of it is there at once, or nothing is.
    """
    given = [{name: value for name, value in row.items() if value is not None} for row in rows]  # a third of the text
    has_keys = any("idempotency_key" in row or "unique_key" in row for row in given)
    statement = _INSERT if has_keys else _INSERT_WITHOUT_KEYS
    found = statement.rows(session, {"rows": orjson.dumps(given).decode()})
    by_id = {row["id"]: row for row in rows}
    accepted = {}
    for job_id, state, run_at, expires_at, created_at, _ in found:
        row = by_id[job_id]
        accepted[job_id] = Accepted(
            job_id, row["task"], row["queue"], state, row["priority"], run_at, expires_at, created_at
        )
    return accepted


def insert_jobs(session: Session, rows: list[dict[str, Any]]) -> list[Accepted | IdempotencyConflictError]:
    """Write jobs, their idempotency keys and their hints by one statement, and wake the relays at its commit.

    Args:
        rows: as `shared.producer.prepare` makes them.

    Returns:
        One result for each row, in order: the job; or the earlier job (`replayed`, `duplicate`) of the same
        idempotency or unique key; or, as a value, the error of a key that was used with another body.
    """
    results: dict[UUID, Accepted | IdempotencyConflictError] = {}
    waiting = rows
    for _ in range(_TRIES):
        results |= insert_new(session, waiting)
        waiting = [row for row in waiting if row["id"] not in results]
        if waiting:
            results |= _find_earlier(session, waiting)
            waiting = [row for row in waiting if row["id"] not in results]
        if not waiting:
            return [results[row["id"]] for row in rows]
    msg = "A job with the same unique key is ending and starting over; try again"
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


def replay(earlier: Earlier, key: str, body_hash: str) -> Accepted | IdempotencyConflictError:
    """Return what a key that was used before is answered with: the same again, or (as a value) that it was misused."""
    if earlier.body_hash == body_hash:
        return _accepted(earlier.answer, replayed=True, duplicate=earlier.answer["duplicate"])
    msg = (
        f"Idempotency-Key {key!r} was used with another body in the last 24 hours; "
        "send the same body again, or another key"
    )
    return IdempotencyConflictError(msg, {"idempotency_key": ["used with another body"]})


def _find_earlier(session: Session, rows: list[dict[str, Any]]) -> dict[UUID, Accepted | IdempotencyConflictError]:
    """Return, by id, what those of `rows` are answered with that an earlier job stands in the way of."""
    found: dict[UUID, Accepted | IdempotencyConflictError] = {}
    keyed = [row for row in rows if row["idempotency_key"] is not None]
    if keyed:
        earlier = find_by_keys(session, {_key_of(row) for row in keyed})
        for row in keyed:
            one = earlier.get(_key_of(row))
            if one is not None:
                found[row["id"]] = replay(one, row["idempotency_key"], row["body_hash"])
    unique = [row for row in rows if row["unique_key"] is not None and row["id"] not in found]
    if unique:
        twins = find_live_twins(session, {_twin_of(row) for row in unique})
        unique = [row for row in unique if _twin_of(row) in twins]
        found |= {row["id"]: _accepted(twins[_twin_of(row)], duplicate=True) for row in unique}
        keys = {_key_of(row): twins[_twin_of(row)] for row in unique if row["idempotency_key"] is not None}
        if keys:
            point_keys_at(session, keys)
    return found


def find_written(session: Session, ids: Collection[UUID]) -> dict[UUID, Accepted]:
    """Return those of `ids` that are jobs, as they were accepted: the arbiter when nobody saw the end of a COMMIT."""
    return {row["id"]: _accepted(row) for row in session.execute(_WRITTEN, {"ids": list(ids)}).mappings()}


def find_known(session: Session, rows: list[dict[str, Any]]) -> set[UUID]:
    """Return the ids of those `rows` that would make no job now: their key was used, or a live job has theirs."""
    keyed = {_key_of(row) for row in rows if row["idempotency_key"] is not None}
    unique = {_twin_of(row) for row in rows if row["unique_key"] is not None}
    keys = find_by_keys(session, keyed) if keyed else {}
    twins = find_live_twins(session, unique) if unique else {}
    return {row["id"] for row in rows if _key_of(row) in keys or _twin_of(row) in twins}


def _key_of(row: dict[str, Any]) -> KeyOf:
    return row["producer_id"], row["idempotency_key"]


def _twin_of(row: dict[str, Any]) -> TwinOf:
    return row["task"], row["unique_key"], row["producer_id"]


def find_job(session: Session, job_id: UUID) -> Job | None:
    """Return the job, or None."""
    return session.get(Job, job_id)


def get_job(session: Session, job_id: UUID, *, producer_id: UUID | None = None) -> Job:
    """Return the job.

    Args:
        producer_id: whose it must be; None sees all.

    Raises:
        JobNotFoundError: there is none, or it is another producer's.
    """
    job = find_job(session, job_id)
    if job is None or (producer_id is not None and job.producer_id != producer_id):
        msg = f"No job {job_id}"
        raise JobNotFoundError(msg)
    return job


def lock_job(session: Session, job_id: UUID, *, producer_id: UUID | None = None) -> Job:
    """Return the job as it is now; nobody else moves it before the end of the caller's transaction.

    Raises:
        JobNotFoundError: there is none, or it is another producer's than `producer_id`.
    """
    get_job(session, job_id, producer_id=producer_id)
    return session.get_one(Job, job_id, populate_existing=True, with_for_update={"key_share": True})


def list_attempts(session: Session, job_id: UUID) -> Sequence[Attempt]:
    """Return the attempts of a job that did not succeed, oldest first (the row of a job tells of its latest)."""
    return session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.attempt)).all()


def list_children(session: Session, job_id: UUID) -> list[UUID]:
    """Return the ids of the first hundred jobs that this job enqueued."""
    query = select(Job.id).where(Job.parent_id == job_id).order_by(Job.id).limit(100)
    return list(session.scalars(query))
