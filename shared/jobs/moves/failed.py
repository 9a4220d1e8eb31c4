"""End an attempt without success: `retry`, `snooze`, `kill` and `cancel`, each with its row of history."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from gristmill.shared.database.rows import rows_moved
from gristmill.shared.jobs.final_move import execute_final_move
from gristmill.shared.jobs.move_statement import FENCED, direct_move, move_statement
from gristmill.shared.states import AttemptOutcome, DeadReason, Move

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.failure import Failure

_WANTED: Final = f"{FENCED} AND cancel_requested_at IS NULL"  # a job to be cancelled does not wait again
_ATTEMPT_ROW: Final = """
    INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at, error_type, error_code, error_message,
                          traceback)
    SELECT id, attempt, :outcome, worker, started_at, :error_type, :error_code, :error_message, :traceback FROM moved
"""
_DEAD_LETTER_ROW: Final = """
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message,
                              traceback, fingerprint, attempts)
    SELECT :letter_id, id, task, queue, :reason, :error_type, :error_code, :error_message, :traceback, :fingerprint,
           attempt
    FROM moved
"""

_RETRY = move_statement(
    Move.RETRY,
    f"""
    WITH moved AS (
        UPDATE gristmill.jobs
        SET state = {{target}}, run_at = clock_timestamp() + :delay * interval '1 second', lease_until = NULL
        WHERE {_WANTED}
        RETURNING id, task, queue, run_at, attempt, worker, started_at, {{notify}}
    ), history AS ({_ATTEMPT_ROW}), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at, alone)
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
    """Let a failed job wait for `delay` before its next attempt, with its error recorded and a hint for that time.

    A job whose cancellation was requested does not move. After a lost worker the hint goes alone: its job, or another
    job of its bundle, may be the one that kills workers.
    """
    values = {"id": job_id, "attempt": attempt, "delay": delay.total_seconds(), "outcome": str(outcome)}
    return _moved(session, _RETRY, values | _error_columns(failure))


_SNOOZE = move_statement(
    Move.SNOOZE,
    f"""
    WITH moved AS (
        UPDATE gristmill.jobs
        SET state = {{target}}, run_at = clock_timestamp() + :delay * interval '1 second', lease_until = NULL,
            max_attempts = max_attempts + 1
        WHERE {_WANTED}
        RETURNING id, task, queue, run_at, attempt, worker, started_at, {{notify}}
    ), history AS ({_ATTEMPT_ROW}), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM moved
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def snooze(session: Session, job_id: UUID, attempt: int, *, delay: timedelta) -> bool:
    """Let a job wait for `delay` because its handler asked for it. The attempt does not count against the limit.

    A job whose cancellation was requested does not move.
    """
    values = {"id": job_id, "attempt": attempt, "delay": delay.total_seconds(), "outcome": str(AttemptOutcome.SNOOZED)}
    return _moved(session, _SNOOZE, values | _error_columns(None))


_KILL = direct_move(
    Move.KILL,
    f"""
    WITH moved AS (
        UPDATE gristmill.jobs SET state = {{target}}, finished_at = clock_timestamp(), lease_until = NULL
        WHERE {FENCED}
        RETURNING id, task, queue, attempt, worker, started_at, {{notify}}, {{callback}}
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
    """End a running job as dead. The same statement writes its dead letter."""
    values = {"id": job_id, "attempt": attempt, "reason": str(reason), "outcome": str(outcome), "letter_id": uuid7()}
    return bool(execute_final_move(session, _KILL, values | _error_columns(failure)))


_CANCEL = direct_move(
    Move.CANCEL,
    f"""
    WITH moved AS (
        UPDATE gristmill.jobs SET state = {{target}}, finished_at = clock_timestamp(), lease_until = NULL
        WHERE {FENCED}
        RETURNING id, attempt, worker, started_at, {{notify}}, {{callback}}
    ), history AS ({_ATTEMPT_ROW})
    SELECT id, callback FROM moved
    """,
)


def cancel(session: Session, job_id: UUID, attempt: int, *, reason: str) -> bool:
    """End a running job as cancelled, because its handler returned `Cancel` or its cancellation was requested."""
    values = {"id": job_id, "attempt": attempt, "outcome": str(AttemptOutcome.CANCELLED)}
    return bool(execute_final_move(session, _CANCEL, values | _error_columns(None) | {"error_message": reason}))


def _error_columns(failure: Failure | None) -> dict[str, str | None]:
    return {
        "error_type": failure.type if failure else None,
        "error_code": failure.code if failure else None,
        "error_message": failure.message if failure else None,
        "traceback": failure.traceback if failure else None,
        "fingerprint": failure.fingerprint if failure else None,
    }


def _moved(session: Session, statement: TextClause, values: dict[str, Any]) -> bool:
    return rows_moved(session.execute(statement, values)) == 1
