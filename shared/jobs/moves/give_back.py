"""Give back jobs that a stopping worker has claimed and will not begin."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from gristmill.shared.jobs.move_statement import move_statement
from gristmill.shared.states import AttemptOutcome, Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_GIVE_BACK = move_statement(
    Move.GIVE_BACK,
    """
    WITH moved AS (
        UPDATE gristmill.jobs
        SET state = {target}, run_at = clock_timestamp(), lease_until = NULL, max_attempts = max_attempts + 1
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS mine(id uuid, attempt int)
        WHERE jobs.id = mine.id AND jobs.attempt = mine.attempt AND jobs.state IN ({sources})
          AND jobs.cancel_requested_at IS NULL
        RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, jobs.attempt, jobs.worker, jobs.started_at, {notify}
    ), history AS (
        INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at)
        SELECT id, attempt, :outcome, worker, started_at FROM moved
    ), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM moved
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def give_back(session: Session, attempts: Sequence[tuple[UUID, int]]) -> set[UUID]:
    """Return running attempts, given as (id, attempt), to `queued` with a hint due now; return the ids that moved.

    An attempt that is given back does not count: the limit grows by one. Its number is not used again, because the
    worker may not learn the result of the commit. With the same number it could settle the attempt of another worker.
    A job whose cancellation was requested does not move.
    """
    rows = [{"id": job_id, "attempt": attempt} for job_id, attempt in attempts]
    values = {"rows": orjson.dumps(rows).decode(), "outcome": str(AttemptOutcome.GIVEN_BACK)}
    return {row.id for row in session.execute(_GIVE_BACK, values)}
