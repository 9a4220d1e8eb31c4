"""Cancel jobs, run them now and redrive them, as a person or a producer requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import text

from gristmill.shared.jobs.final_move import execute_final_move
from gristmill.shared.jobs.move_statement import direct_move, move_statement
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import Move

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

# The outbox rows stay: a hint of a cancelled job moves nothing.
_CANCEL_WAITING = direct_move(
    Move.CANCEL_WAITING,
    """
    UPDATE gristmill.jobs
    SET state = {target}, finished_at = clock_timestamp(),
        cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
    WHERE id = ANY(:ids) AND state || '' IN ({sources})
    RETURNING id, {callback}, {notify}
    """,
)


def cancel_waiting(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Cancel those of `ids` that wait, immediately. Return their ids; the others run or have ended."""
    return execute_final_move(session, _CANCEL_WAITING, {"ids": list(ids)})


_REQUEST_CANCEL = text(
    """
    UPDATE gristmill.jobs SET cancel_requested_at = clock_timestamp()
    WHERE id = ANY(:ids) AND state || '' = 'running' AND cancel_requested_at IS NULL
    RETURNING id
    """
)


def request_cancels(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Request that the workers end those of `ids` that run. Return the ids for which this is the first request."""
    return set(session.execute(_REQUEST_CANCEL, {"ids": list(ids)}).scalars())


def request_cancel(session: Session, job_id: UUID) -> bool:
    """Request the end of a running job. Return False when it does not run, or the request was made before."""
    return bool(request_cancels(session, [job_id]))


# The job and its hint get the same time, that of the statement: a hint is due when its job is.
_RUN_NOW = move_statement(
    Move.RUN_NOW,
    """
    WITH ahead AS (
        SELECT id, run_at AS was FROM gristmill.jobs
        WHERE id = :id AND state || '' IN ({sources}) AND run_at > statement_timestamp()
        FOR NO KEY UPDATE
    ), moved AS (
        UPDATE gristmill.jobs SET state = {target}, run_at = statement_timestamp() FROM ahead WHERE jobs.id = ahead.id
        RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, ahead.was
    ), rehinted AS (
        UPDATE gristmill.outbox SET due_at = moved.run_at FROM moved
        WHERE outbox.due_at = moved.was AND outbox.job_id = moved.id
        RETURNING outbox.job_id
    ), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
        SELECT id, task, queue, run_at FROM moved WHERE NOT EXISTS (SELECT 1 FROM rehinted)
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def run_now(session: Session, job_id: UUID) -> bool:
    """Make a job that waits for its time due now, with the hint it has. Return False when it does not wait for one."""
    return session.execute(_RUN_NOW, {"id": job_id}).one_or_none() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriven:
    """A redriven job, and the time it is due."""

    id: UUID
    run_at: datetime


# The number of new attempts is the one that the job was given at first. It is the limit, less the attempts up to the
# last redrive, less the additions by attempts since then that did not count. Rows are locked in the order of their ids,
# so that two redrives wait for each other instead of deadlocking. The second then finds the dead letters resolved.
_REDRIVE = move_statement(
    Move.REDRIVE,
    """
    WITH dead AS (
        SELECT jobs.id, dead_letters.id AS letter_id, dead_letters.reason,
               :start + (wanted.position - 1) * :spacing AS delay
        FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS wanted(id, position)
        JOIN gristmill.jobs ON jobs.id = wanted.id AND jobs.state || '' IN ({sources})
        JOIN gristmill.dead_letters ON dead_letters.job_id = jobs.id AND dead_letters.resolution IS NULL
        ORDER BY jobs.id FOR NO KEY UPDATE OF jobs, dead_letters
    ), moved AS (
        UPDATE gristmill.jobs
        SET state = CASE WHEN dead.delay > 0 THEN {target_until_due} ELSE {target} END,
            run_at = statement_timestamp() + dead.delay * interval '1 second',
            expires_at = CASE WHEN jobs.expires_at IS NOT NULL THEN
                statement_timestamp()
                + (dead.delay + CAST(CAST(:lives AS jsonb) ->> jobs.queue AS double precision)) * interval '1 second'
                END,
            max_attempts = jobs.attempt + (
                SELECT greatest(1, jobs.max_attempts - last.attempt - (
                    SELECT count(*) FROM gristmill.attempts
                    WHERE attempts.job_id = jobs.id AND outcome IN ('snoozed', 'given_back')
                      AND attempts.attempt > last.attempt))
                FROM (SELECT coalesce(max(attempts), 0) AS attempt FROM gristmill.dead_letters
                      WHERE dead_letters.job_id = jobs.id AND resolution = 'redriven') AS last),
            args = coalesce(CAST(:args AS jsonb), jobs.args),
            result = NULL, finished_at = NULL, cancel_requested_at = NULL
        FROM dead WHERE jobs.id = dead.id
        RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, dead.letter_id, dead.reason
    ), resolved AS (
        UPDATE gristmill.dead_letters SET resolution = 'redriven', resolved_at = clock_timestamp(), resolved_by = :actor
        FROM moved WHERE dead_letters.id = moved.letter_id
    ), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at, alone)
        SELECT id, task, queue, run_at, reason IN ('crash_loop', 'delivery_limit') FROM moved
    )
    SELECT id, run_at, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def _lives() -> str:
    """Return the seconds that jobs may wait in each queue, as a JSON object."""
    limited = {name: queue.time_to_live for name, queue in QUEUES.items() if queue.time_to_live is not None}
    return orjson.dumps({name: life.total_seconds() for name, life in limited.items()}).decode()


def redrive(
    session: Session,
    ids: Sequence[UUID],
    *,
    actor: str,
    args: Mapping[str, Any] | None = None,
    start: float = 0.0,
    spacing: float = 0.0,
) -> list[Redriven]:
    """Redrive those of `ids` that are dead with an open dead letter, which the same statement resolves.

    A job gets as many attempts as it was given at first. The numbering of attempts continues, and the history stays.

    Args:
        session: the caller's.
        ids: ids of jobs.
        actor: the name of the person or producer, for the record.
        args: replace the arguments of the jobs; sealed already.
        start: seconds from now until the first of `ids` is due. A job that is due later is `scheduled`, not `queued`.
        spacing: seconds between the due times of two jobs.

    Returns:
        The jobs that moved. The others were redriven or discarded meanwhile, or never were dead.

    Raises:
        sqlalchemy.exc.IntegrityError: a job has the unique key of a live job; nothing moved.
    """
    values = {
        "ids": list(ids),
        "actor": actor,
        "args": orjson.dumps(args).decode() if args is not None else None,
        "start": float(start),
        "spacing": float(spacing),
        "lives": _lives(),
    }
    return [Redriven(id=row.id, run_at=row.run_at) for row in session.execute(_REDRIVE, values)]
