"""Give jobs back that a worker has claimed and, told to stop, will not begin."""

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
        UPDATE jobs
        SET state = {target}, run_at = clock_timestamp(), lease_until = NULL, max_attempts = max_attempts + 1
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS mine(id uuid, attempt int)
        WHERE jobs.id = mine.id AND jobs.attempt = mine.attempt AND jobs.state IN ({sources})
          AND jobs.cancel_requested_at IS NULL
        RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, jobs.attempt, jobs.worker, jobs.started_at, {tell}
    ), history AS (
        INSERT INTO attempts (job_id, attempt, outcome, worker, started_at)
        SELECT id, attempt, :outcome, worker, started_at FROM moved
    ), hinted AS (
        INSERT INTO outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM moved
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM moved
    """,
)


def give_back(session: Session, attempts: Sequence[tuple[UUID, int]]) -> set[UUID]:
    """Put running attempts, (id, attempt) each, back to wait, due now and with a hint; returns the ids that moved.

    The attempt does not count against the limit, and its number is used up all the same: the limit grows by one. Who
    gives back may not learn whether the commit was done, and a number that comes twice would let it settle the attempt
    of somebody else. One that was asked to be cancelled does not move.
    """
    rows = [{"id": job_id, "attempt": attempt} for job_id, attempt in attempts]
    values = {"rows": orjson.dumps(rows).decode(), "outcome": str(AttemptOutcome.GIVEN_BACK)}
    return {row.id for row in session.execute(_GIVE_BACK, values)}
