"""Every move of a job from one state to another: a guarded UPDATE each, with a count of the rows that moved.

Each function here is one `states.Move`. None of them commits. A row that is not in an allowed state, or whose
attempt is no longer the caller's, does not move, and the caller is told.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import CursorResult
from uuid_utils.compat import uuid7

from gristmill.shared.database.direct import array_of, array_of_ids, in_order_of_ids
from gristmill.shared.jobs.final_move import end
from gristmill.shared.jobs.move_statement import direct_move as _direct
from gristmill.shared.jobs.move_statement import move_statement as _statement
from gristmill.shared.jobs.moves_by_hand import (
    Redriven,
    cancel_waiting,
    redrive,
    request_cancel,
    request_cancels,
    run_now,
)
from gristmill.shared.jobs.moves_give_back import give_back
from gristmill.shared.states import AttemptOutcome, DeadReason, Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import TextClause
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.failure import Failure

__all__ = [
    "Claimed",
    "Redriven",
    "cancel",
    "cancel_waiting",
    "claim",
    "expire",
    "give_back",
    "give_up",
    "kill",
    "redrive",
    "request_cancel",
    "request_cancels",
    "retry",
    "run_now",
    "snooze",
    "succeed",
]


class Claimed(NamedTuple):
    """A job that this worker may execute now: its attempt number is the fence of everything that follows."""

    id: UUID
    task: str
    queue: str
    args: dict[str, Any]
    attempt: int
    max_attempts: int
    traceparent: str | None
    run_at: datetime
    started_at: datetime


_CLAIMED: Final = Claimed._fields
_FENCED: Final = "id = :id AND attempt = :attempt AND state || '' IN ({sources})"
_WANTED: Final = f"{_FENCED} AND cancel_requested_at IS NULL"  # a job that is to be cancelled does not go on to wait
_ATTEMPT_ROW: Final = """
    INSERT INTO attempts (job_id, attempt, outcome, worker, started_at, error_type, error_code, error_message,
                          traceback)
    SELECT id, attempt, :outcome, worker, started_at, :error_type, :error_code, :error_message, :traceback FROM moved
"""
_DEAD_LETTER_ROW: Final = """
    INSERT INTO dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message, traceback,
                              fingerprint, attempts)
    SELECT :letter_id, id, task, queue, :reason, :error_type, :error_code, :error_message, :traceback, :fingerprint,
           attempt
    FROM moved
"""

_BEGIN: Final = f"""
    UPDATE jobs
    SET state = {{target}}, attempt = attempt + 1, worker = :worker, started_at = clock_timestamp(),
        lease_until = clock_timestamp() + :lease * interval '1 second'
    WHERE {{which}} AND state || '' IN ({{sources}}) AND run_at <= statement_timestamp()
      AND attempt < max_attempts AND (expires_at IS NULL OR expires_at > statement_timestamp())
      AND queue <> ALL(ARRAY(SELECT queue FROM queue_controls WHERE paused_at IS NOT NULL))
    RETURNING {", ".join(_CLAIMED)}, {{tell}}
"""
# Its commit may be asynchronous: if the database server crashes, the attempt is forgotten together with its effects.
# What leaves for the world waits for the disk: otherwise two attempts could go on under one number.
_COMMIT_LATER: Final = "set_config('synchronous_commit', 'off', true)"
_CLAIM = _direct(
    Move.CLAIM,
    f"""
    WITH claimed AS ({_BEGIN.replace("{which}", "id = ANY(CAST(:ids AS uuid[]))")}), commit AS (
        SELECT {_COMMIT_LATER} WHERE NOT EXISTS (SELECT FROM claimed WHERE task = ANY(:durable))
    )
    SELECT {", ".join(_CLAIMED)}, (SELECT count(*) FROM commit) AS commits_later FROM claimed
    """,
)
# Of a job that comes alone Postgres plans each of its statements twice as fast when they ask for no more than one.
_CLAIM_ONE = _direct(
    Move.CLAIM,
    f"""
    {_BEGIN.replace("{which}", "id = :id")},
        CASE WHEN task <> ALL(:durable) THEN {_COMMIT_LATER} END AS commits_later
    """,
)


def claim(
    session: Session, ids: Sequence[UUID], *, worker: str, lease: float, durable: Sequence[str] = ()
) -> list[Claimed]:
    """Begin an attempt of each of `ids` that is due; the others are done, not due, running, paused or unwanted.

    Args:
        worker: who claims, for the record.
        lease: seconds until somebody may look whether this worker is still there.
        durable: names of tasks whose attempt must be on disk before it begins, since its effects are outside.
    """
    values = {"worker": worker, "lease": lease, "durable": list(durable)}
    if len(ids) == 1:
        rows = _CLAIM_ONE.rows(session, values | {"id": ids[0]})
    else:
        rows = _CLAIM.rows(session, values | {"ids": array_of_ids(ids)})
    return [Claimed._make(row[: len(_CLAIMED)]) for row in rows]


# Each row looks its place in the arrays up by itself, as in `gristmill.shared.jobs.leases`, and for the same reason.
_SUCCEED = _direct(
    Move.SUCCEED,
    """
    UPDATE jobs SET state = {target}, result = results[width_bucket(id, ids)], finished_at = clock_timestamp(),
        lease_until = NULL
    FROM (SELECT CAST(:ids AS uuid[]) AS ids, CAST(:attempts AS int[]) AS attempts,
                 CAST(:results AS jsonb[]) AS results) AS done
    WHERE id = ANY(ids) AND attempt = attempts[width_bucket(id, ids)] AND state || '' IN ({sources})
    RETURNING width_bucket(id, ids), {callback}, {tell}
    """,
)


_SUCCEED_ONE = _direct(
    Move.SUCCEED,
    f"""
    UPDATE jobs SET state = {{target}}, result = CAST(:result AS jsonb), finished_at = clock_timestamp(),
        lease_until = NULL
    WHERE {_FENCED}
    RETURNING id, {{callback}}, {{tell}}
    """,
)


def succeed(session: Session, done: Sequence[tuple[UUID, int, Any]]) -> set[UUID]:
    """End jobs with success: `done` holds (id, attempt, result). Returns the ids that moved; the caller compares."""
    done = in_order_of_ids(done)
    encoded = [None if result is None else orjson.dumps(result).decode() for _, _, result in done]
    if len(done) == 1:
        ((job_id, attempt, _),) = done
        return end(session, _SUCCEED_ONE, {"id": job_id, "attempt": attempt, "result": encoded[0]})
    values = {
        "ids": array_of_ids(job_id for job_id, _, _ in done),
        "attempts": array_of(attempt for _, attempt, _ in done),
        "results": encoded if any(encoded) else None,  # then nobody looks for a place in it
    }
    return {done[at - 1][0] for at in end(session, _SUCCEED, values)}


_RETRY = _statement(
    Move.RETRY,
    f"""
    WITH moved AS (
        UPDATE jobs
        SET state = {{target}}, run_at = clock_timestamp() + :delay * interval '1 second', lease_until = NULL
        WHERE {_WANTED}
        RETURNING id, task, queue, run_at, attempt, worker, started_at, {{tell}}
    ), history AS ({_ATTEMPT_ROW}), hinted AS (
        INSERT INTO outbox (job_id, task, queue, due_at, alone)
        SELECT id, task, queue, run_at, :outcome = 'lost' FROM moved
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def retry(
    session: Session,
    job_id: UUID,
    attempt: int,
    *,
    delay: timedelta,
    failure: Failure,
    outcome: AttemptOutcome = AttemptOutcome.FAILED,
) -> bool:
    """Put a failed job back to wait for `delay`, with its error on record and a hint for when it is due.

    One that was asked to be cancelled does not move. After a lost worker the hint goes alone: its job, or a neighbour
    in its bundle, may be the one that kills workers.
    """
    values = {"id": job_id, "attempt": attempt, "delay": delay.total_seconds(), "outcome": str(outcome)}
    return _moved(session, _RETRY, values | _evidence(failure))


_SNOOZE = _statement(
    Move.SNOOZE,
    f"""
    WITH moved AS (
        UPDATE jobs
        SET state = {{target}}, run_at = clock_timestamp() + :delay * interval '1 second', lease_until = NULL,
            max_attempts = max_attempts + 1
        WHERE {_WANTED}
        RETURNING id, task, queue, run_at, attempt, worker, started_at, {{tell}}
    ), history AS ({_ATTEMPT_ROW}), hinted AS (
        INSERT INTO outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM moved
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def snooze(session: Session, job_id: UUID, attempt: int, *, delay: timedelta) -> bool:
    """Put a job back to wait for `delay` because its handler asked so; the attempt does not count against the limit.

    One that was asked to be cancelled does not move.
    """
    values = {"id": job_id, "attempt": attempt, "delay": delay.total_seconds(), "outcome": str(AttemptOutcome.SNOOZED)}
    return _moved(session, _SNOOZE, values | _evidence(None))


_KILL = _direct(
    Move.KILL,
    f"""
    WITH moved AS (
        UPDATE jobs SET state = {{target}}, finished_at = clock_timestamp(), lease_until = NULL
        WHERE {_FENCED}
        RETURNING id, task, queue, attempt, worker, started_at, {{tell}}, {{callback}}
    ), history AS ({_ATTEMPT_ROW}), letter AS ({_DEAD_LETTER_ROW})
    SELECT id, callback FROM moved
    """,
)


def kill(
    session: Session,
    job_id: UUID,
    attempt: int,
    *,
    reason: DeadReason,
    failure: Failure,
    outcome: AttemptOutcome = AttemptOutcome.FAILED,
) -> bool:
    """End a running job without success; its dead letter is written by the same statement."""
    values = {"id": job_id, "attempt": attempt, "reason": str(reason), "outcome": str(outcome), "letter_id": uuid7()}
    return bool(end(session, _KILL, values | _evidence(failure)))


_EXPIRE = _direct(
    Move.EXPIRE,
    """
    WITH moved AS (
        UPDATE jobs SET state = {target}, finished_at = clock_timestamp()
        WHERE id = ANY(:ids) AND state || '' IN ({sources}) AND expires_at <= statement_timestamp()
        RETURNING id, task, queue, attempt, expires_at, {tell}, {callback}
    ), letter AS (
        INSERT INTO dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message, fingerprint,
                                  attempts)
        SELECT gen_random_uuid(), id, task, queue, :reason, 'Expired', 'JOB_EXPIRED',
               'no longer wanted after ' || CAST(expires_at AS text),
               substr(encode(sha256(convert_to('expired ' || task, 'UTF8')), 'hex'), 1, 16), attempt
        FROM moved
    )
    SELECT id, callback FROM moved
    """,
)


def expire(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """End those of `ids` that waited past their `expires_at`, each with its dead letter."""
    return end(session, _EXPIRE, {"ids": list(ids), "reason": str(DeadReason.EXPIRED)})


_GIVE_UP = _direct(
    Move.GIVE_UP,
    """
    WITH moved AS (
        UPDATE jobs SET state = {target}, finished_at = clock_timestamp()
        WHERE id = ANY(:ids) AND state || '' IN ({sources}) AND run_at <= statement_timestamp()
          AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.due_at = jobs.run_at AND outbox.job_id = jobs.id)
          AND NOT EXISTS (SELECT 1 FROM held_hints WHERE held_hints.job_id = jobs.id)
        RETURNING id, task, queue, attempt, {tell}, {callback}
    ), letter AS (
        INSERT INTO dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message, fingerprint,
                                  attempts, broker)
        SELECT gen_random_uuid(), id, task, queue, :reason, 'DeliveryLimit', 'HINT_DELIVERY_LIMIT',
               'the broker gave up on its hint again and again, and no worker could claim it',
               substr(encode(sha256(convert_to('delivery_limit ' || task, 'UTF8')), 'hex'), 1, 16), attempt,
               CAST(:broker AS jsonb)
        FROM moved
    )
    SELECT id, callback FROM moved
    """,
)


def give_up(session: Session, ids: Sequence[UUID], *, broker: dict[str, Any]) -> set[UUID]:
    """End those of `ids` that wait for their hint, because its delivery fails again and again, each with a dead letter.

    One that has another hint in the outbox or held, or is due later, was tried meanwhile and is left alone.
    """
    values = {"ids": list(ids), "reason": str(DeadReason.DELIVERY_LIMIT), "broker": orjson.dumps(broker).decode()}
    return end(session, _GIVE_UP, values)


_CANCEL = _direct(
    Move.CANCEL,
    f"""
    WITH moved AS (
        UPDATE jobs SET state = {{target}}, finished_at = clock_timestamp(), lease_until = NULL
        WHERE {_FENCED}
        RETURNING id, attempt, worker, started_at, {{tell}}, {{callback}}
    ), history AS ({_ATTEMPT_ROW})
    SELECT id, callback FROM moved
    """,
)


def cancel(session: Session, job_id: UUID, attempt: int, *, reason: str) -> bool:
    """End a running job as cancelled, because its handler or somebody else said that it is no longer wanted."""
    values = {"id": job_id, "attempt": attempt, "outcome": str(AttemptOutcome.CANCELLED)}
    return bool(end(session, _CANCEL, values | _evidence(None) | {"error_message": reason}))


def _evidence(failure: Failure | None) -> dict[str, str | None]:
    return {
        "error_type": failure.type if failure else None,
        "error_code": failure.code if failure else None,
        "error_message": failure.message if failure else None,
        "traceback": failure.traceback if failure else None,
        "fingerprint": failure.fingerprint if failure else None,
    }


def _moved(session: Session, statement: TextClause, values: dict[str, Any]) -> bool:
    result = session.execute(statement, values)
    assert isinstance(result, CursorResult)  # noqa: S101  what Session.execute returns for a text statement
    return result.rowcount == 1
