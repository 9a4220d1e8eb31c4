"""New jobs as rows: written with their keys and hints by one statement, or answered with what stands in their way."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from gristmill.shared.database.prepared import Prepared
from gristmill.shared.errors import IdempotencyConflictError, UnavailableError
from gristmill.shared.jobs.idempotency import Earlier, KeyOf, TwinOf, find_by_keys, find_live_twins, point_keys_at
from gristmill.shared.states import LIVE, sql_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gristmill.shared.jobs.terms import NewJob, Terms

OUTBOX_CHANNEL: Final = "gristmill_outbox"
_TRIES: Final = 3  # a live twin can end between our INSERT and our look at it, hardly three times in a row

# What jobs share comes once, and so do their times: of a thousand alike, only ids and arguments are read one by one.
_INCOMING: Final = """
    WITH terms AS (
        SELECT t.*, start.due_at, statement_timestamp() AS created_at,
               CASE WHEN start.due_at > statement_timestamp() THEN 'scheduled' ELSE 'queued' END AS state,
               coalesce(t.expires_at, start.due_at + t.time_to_live * interval '1 second') AS ends_at
        FROM json_to_recordset(CAST(:terms AS json)) AS t(
            number int, task text, queue text, priority text, max_attempts int, run_at timestamptz,
            delay double precision, expires_at timestamptz, time_to_live double precision, unique_key text,
            callback_url text, tags text[], parent_id uuid, producer_id uuid, traceparent text,
            ids uuid[], args jsonb, idempotency_keys text[], body_hashes text[]),
        LATERAL (
            SELECT greatest(coalesce(t.run_at, statement_timestamp() + coalesce(t.delay, 0) * interval '1 second'),
                            statement_timestamp()) AS due_at) AS start
    ), incoming AS (
        SELECT task, queue, state, priority, max_attempts, due_at, ends_at, unique_key, callback_url, tags, parent_id,
               producer_id, traceparent, created_at, job.*
        FROM terms, ROWS FROM (unnest(terms.ids), jsonb_array_elements(terms.args),
                               unnest(terms.idempotency_keys), unnest(terms.body_hashes))
                    AS job(id, args, idempotency_key, body_hash)
    )"""
# Both inserts of keys go by their order: two of these statements wait for each other instead of deadlocking.
_KEYED: Final = """, keyed AS (
        INSERT INTO idempotency_keys (producer_id, key, body_hash, job_id, state, run_at, job_expires_at, created_at,
                                      expires_at)
        SELECT DISTINCT ON (producer_id, idempotency_key) producer_id, idempotency_key, body_hash, id, state, due_at,
               ends_at, created_at, created_at + interval '24 hours'
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
        SELECT id, task, queue, args, state, priority, max_attempts, due_at, ends_at, unique_key, callback_url,
               coalesce(tags, '{}'), parent_id, producer_id, traceparent, created_at
        FROM incoming"""
_UNLESS_KNOWN: Final = f"""
        WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM keyed)
        ORDER BY unique_key NULLS FIRST, task, producer_id, id
        ON CONFLICT (task, unique_key, producer_id)
            WHERE unique_key IS NOT NULL AND state IN ({sql_list(LIVE)})
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
_ACCEPT = Prepared("accept_jobs", text(_INCOMING + _KEYED + _JOBS + _UNLESS_KNOWN + _WITH_HINTS), {"terms": "text"})

# Of jobs without keys, which no earlier one can stand in the way of: all are written, and one answer tells of all that
# share their terms. Looking for earlier ones takes a fifth of the statement.
_ALL_WITH_HINTS: Final = """
    ), hinted AS (
        INSERT INTO outbox (job_id, task, queue, due_at) SELECT id, task, queue, due_at FROM incoming
    ), notified AS (
        SELECT pg_notify('gristmill_outbox', '') FROM terms WHERE state = 'queued' LIMIT 1
    )
    SELECT number, state, due_at, ends_at, created_at, (SELECT count(*) FROM notified) AS notified FROM terms
    """
_ACCEPT_WITHOUT_KEYS = Prepared(
    "accept_jobs_without_keys", text(_INCOMING + _JOBS + _ALL_WITH_HINTS), {"terms": "text"}
)

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


def insert_new(session: Session, jobs: Sequence[NewJob]) -> dict[UUID, Accepted]:
    """Write those of `jobs` that nothing stands in the way of, with their keys and hints; return them by id.

    It is one statement: in a session that commits by itself (`Database.autocommit`) all of it is there at once, or
    nothing is.

    Args:
        jobs: in a session that commits by itself, such that take one statement.
    """
    alike: dict[Terms, list[NewJob]] = {}
    for job in jobs:
        alike.setdefault(job.terms, []).append(job)
    groups = list(alike.values())
    written = [
        {"number": number, **theirs[0].terms.columns, **_columns(theirs)} for number, theirs in enumerate(groups)
    ]
    values = {"terms": orjson.dumps(written).decode()}
    if any("idempotency_keys" in each or each.get("unique_key") is not None for each in written):
        by_id = {job.id: job for job in jobs}
        return {told[0]: _accepted_as(by_id[told[0]], told) for told in _ACCEPT.rows(session, values)}
    answers = _ACCEPT_WITHOUT_KEYS.rows(session, values)
    return {job.id: _accepted_as(job, told) for told in answers for job in groups[told[0]]}


def _columns(jobs: Sequence[NewJob]) -> dict[str, list[Any]]:
    """Return what is each job's own, of all that share their terms."""
    columns: dict[str, list[Any]] = {"ids": [job.id for job in jobs], "args": [job.args for job in jobs]}
    if any(job.idempotency_key is not None for job in jobs):
        columns["idempotency_keys"] = [job.idempotency_key for job in jobs]
        columns["body_hashes"] = [job.body_hash for job in jobs]
    return columns


def _accepted_as(job: NewJob, told: tuple[Any, ...]) -> Accepted:
    """Return the job with what the database has said of it: after the first column its state and its times."""
    columns = job.terms.columns
    return Accepted(job.id, columns["task"], columns["queue"], told[1], columns["priority"], *told[2:5])


def insert_jobs(session: Session, jobs: Sequence[NewJob]) -> list[Accepted | IdempotencyConflictError]:
    """Write jobs, their idempotency keys and their hints by one statement, and wake the relays at its commit.

    Returns:
        One result for each, in order: the job; or the earlier job (`replayed`, `duplicate`) of the same
        idempotency or unique key; or, as a value, the error of a key that was used with another body.
    """
    results: dict[UUID, Accepted | IdempotencyConflictError] = {}
    waiting = jobs
    for _ in range(_TRIES):
        results |= insert_new(session, waiting)
        waiting = [job for job in waiting if job.id not in results]
        if waiting:
            results |= _find_earlier(session, waiting)
            waiting = [job for job in waiting if job.id not in results]
        if not waiting:
            return [results[job.id] for job in jobs]
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


def _find_earlier(session: Session, jobs: Sequence[NewJob]) -> dict[UUID, Accepted | IdempotencyConflictError]:
    """Return, by id, what those of `jobs` are answered with that an earlier job stands in the way of."""
    found: dict[UUID, Accepted | IdempotencyConflictError] = {}
    keyed = _keys_of(jobs)
    if keyed:
        earlier = find_by_keys(session, set(keyed.values()))
        for job in jobs:
            one = earlier.get(keyed[job.id]) if job.id in keyed else None
            if one is not None:
                found[job.id] = replay(one, job.idempotency_key or "", job.body_hash or "")
    twins_of = _twins_of(job for job in jobs if job.id not in found)
    if twins_of:
        twins = find_live_twins(session, set(twins_of.values()))
        twins_of = {job_id: twin for job_id, twin in twins_of.items() if twin in twins}
        found |= {job_id: _accepted(twins[twin], duplicate=True) for job_id, twin in twins_of.items()}
        keys = {keyed[job_id]: twins[twin] for job_id, twin in twins_of.items() if job_id in keyed}
        if keys:
            point_keys_at(session, keys)
    return found


def find_written(session: Session, ids: Collection[UUID]) -> dict[UUID, Accepted]:
    """Return those of `ids` that are jobs, as they were accepted: the arbiter when nobody saw the end of a COMMIT."""
    return {row["id"]: _accepted(row) for row in session.execute(_WRITTEN, {"ids": list(ids)}).mappings()}


def find_known(session: Session, jobs: Sequence[NewJob]) -> set[UUID]:
    """Return the ids of those `jobs` that would make no job now: their key was used, or a live job has theirs."""
    keyed, twins_of = _keys_of(jobs), _twins_of(jobs)
    keys = find_by_keys(session, set(keyed.values())) if keyed else {}
    twins = find_live_twins(session, set(twins_of.values())) if twins_of else {}
    return {job_id for job_id, key in keyed.items() if key in keys} | {
        job_id for job_id, twin in twins_of.items() if twin in twins
    }


def _keys_of(jobs: Iterable[NewJob]) -> dict[UUID, KeyOf]:
    """Return, by id, the idempotency keys of those jobs that have one; only a producer's have."""
    return {
        job.id: (job.producer_id, job.idempotency_key)
        for job in jobs
        if job.idempotency_key is not None and job.producer_id is not None
    }


def _twins_of(jobs: Iterable[NewJob]) -> dict[UUID, TwinOf]:
    """Return, by id, whose live twin those jobs would be that have a unique key."""
    return {
        job.id: (job.terms.columns["task"], job.unique_key, job.producer_id)
        for job in jobs
        if job.unique_key is not None
    }
