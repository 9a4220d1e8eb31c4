"""Find jobs that wait without a hint, and write new hints for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.database.rows import rows_as
from gristmill.shared.states import WAITING, State, sql_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

# A hint is due when its job is, and relays publish the oldest first. So hints that were due before everything in the
# outbox, and before everything held of this queue, were published. Of both tables only the first row is read, however
# deep they are. One SELECT for each state follows the index: otherwise a million lost hints would be sorted each time.
_PUBLISHED: Final = """
    (SELECT id, attempt, run_at FROM gristmill.jobs
     WHERE queue = :queue AND state = '{state}' AND run_at < (SELECT due_before FROM edge)
     ORDER BY run_at LIMIT :limit)
"""
_PUBLISHED_STATES: Final = (State.QUEUED, State.SCHEDULED, State.RETRYING)
_FIND_UNHINTED = text(
    f"""
    WITH edge AS (
        SELECT least(statement_timestamp() - :grace * interval '1 second', CAST(:before AS timestamptz),
                     (SELECT min(due_at) FROM gristmill.outbox),
                     (SELECT min(due_at) FROM gristmill.held_hints WHERE queue = :queue)) AS due_before
    )
    SELECT id, attempt
    FROM ({" UNION ALL ".join(_PUBLISHED.format(state=state) for state in _PUBLISHED_STATES)}) AS due
    WHERE (SELECT job_id FROM gristmill.held_hints WHERE held_hints.job_id = due.id) IS NULL
    ORDER BY run_at LIMIT :limit
    """
)


def find_unhinted(
    session: Session, queue: str, *, grace: float, limit: int, before: datetime | None = None
) -> set[tuple[UUID, int]]:
    """Return (id, attempts so far) of jobs in a queue that were due `grace` seconds ago and have no hint in Postgres.

    A job that is due after an unpublished hint is left out until that hint is published: its own new hint would have to
    wait for the relay, too.

    Args:
        session: the caller's.
        queue: the name of the queue.
        grace: seconds.
        limit: the largest number of jobs, the longest due first.
        before: only jobs that were due before this time.
    """
    values = {"queue": queue, "grace": grace, "limit": limit, "before": before}
    return {(row.id, row.attempt) for row in session.execute(_FIND_UNHINTED, values)}


_FIND_WATERMARK = text("SELECT max(run_at) FROM gristmill.jobs WHERE queue = :queue AND state = 'running'")


def find_watermark(session: Session, queue: str) -> datetime | None:
    """Return the latest due time of the running jobs of a queue: hints due well before it were published before it."""
    latest: datetime | None = session.execute(_FIND_WATERMARK, {"queue": queue}).scalar_one()
    return latest


# When another transaction has just written a hint, the UPDATE reads the job's row again, but does not repeat the NOT
# EXISTS. A due time that differs from the one read first shows that the job has changed.
_HINT_AGAIN = text(
    f"""
    WITH seen AS (
        SELECT id, run_at FROM gristmill.jobs WHERE id = ANY(:ids)
    ), due AS (
        UPDATE gristmill.jobs SET run_at = clock_timestamp() + :delay * interval '1 second'
        FROM seen
        WHERE jobs.id = seen.id AND jobs.run_at = seen.run_at
          AND state || '' IN ({sql_list(WAITING)}) AND jobs.run_at <= statement_timestamp()
          AND NOT EXISTS (SELECT 1 FROM gristmill.outbox WHERE outbox.due_at = jobs.run_at AND outbox.job_id = jobs.id)
          AND NOT EXISTS (SELECT 1 FROM gristmill.held_hints WHERE held_hints.job_id = jobs.id)
        RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at
    ), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at, alone, revivals)
        SELECT id, task, queue, run_at, true, :revivals FROM due
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM due
    """
)


def hint_again(session: Session, ids: Sequence[UUID], *, delay: timedelta, revivals: int = 0) -> set[UUID]:
    """Write a new hint for those of `ids` that wait, are due and have none; return their ids.

    Args:
        session: the caller's.
        ids: ids of jobs.
        delay: the time from now until the hint (and the job) is due.
        revivals: the number of times that the broker has given up on a hint of these jobs.
    """
    values = {"ids": list(ids), "delay": delay.total_seconds(), "revivals": revivals}
    return {row.id for row in session.execute(_HINT_AGAIN, values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """The state of a job that a hint names, with its task and queue."""

    id: UUID
    state: str
    task: str
    queue: str


_FIND_STATES = text("SELECT id, state, task, queue FROM gristmill.jobs WHERE id = ANY(:ids)")


def find_states(session: Session, ids: Sequence[UUID]) -> dict[UUID, JobState]:
    """Return the states of those of `ids` that are jobs."""
    return {job.id: job for job in rows_as(JobState, session.execute(_FIND_STATES, {"ids": list(ids)}))}
