"""Hints that have to be published once more: find the jobs that wait without one, and write it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.states import WAITING, State, sql_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

# A hint is due when its job is, and relays publish the oldest first: what is due before all that is in the outbox, or
# held of this queue, was published. So neither is read but for its first row, however deep it is. In the order of the
# index, state by state: else a million lost hints would be sorted at each look.
_PUBLISHED: Final = """
    (SELECT id, attempt, run_at FROM jobs
     WHERE queue = :queue AND state = '{state}' AND run_at < (SELECT due_before FROM edge)
     ORDER BY run_at LIMIT :limit)
"""
_PUBLISHED_STATES: Final = (State.QUEUED, State.SCHEDULED, State.RETRYING)
_UNHINTED = text(
    f"""
    WITH edge AS (
        SELECT least(statement_timestamp() - :grace * interval '1 second', CAST(:before AS timestamptz),
                     (SELECT min(due_at) FROM outbox),
                     (SELECT min(due_at) FROM held_hints WHERE queue = :queue)) AS due_before
    )
    SELECT id, attempt
    FROM ({" UNION ALL ".join(_PUBLISHED.format(state=state) for state in _PUBLISHED_STATES)}) AS due
    WHERE (SELECT job_id FROM held_hints WHERE held_hints.job_id = due.id) IS NULL
    ORDER BY run_at LIMIT :limit
    """
)


def find_unhinted(
    session: Session, queue: str, *, grace: float, limit: int, before: datetime | None = None
) -> set[tuple[UUID, int]]:
    """Return (id, attempts so far) of jobs of a queue that are due for `grace` seconds and have no hint with us.

    Those that are due after a hint which no relay has published yet have their turn when it is published: a new hint
    of theirs would have to wait for the relay, too.

    Args:
        session: the caller's.
        queue: its name.
        grace: seconds.
        limit: at most so many, the longest due first.
        before: only jobs that were due before this time.
    """
    values = {"queue": queue, "grace": grace, "limit": limit, "before": before}
    return {(row.id, row.attempt) for row in session.execute(_UNHINTED, values)}


_WATERMARK = text("SELECT max(run_at) FROM jobs WHERE queue = :queue AND state = 'running'")


def find_watermark(session: Session, queue: str) -> datetime | None:
    """Return the latest due time among the running jobs of a queue: everything due well before was published before."""
    latest: datetime | None = session.execute(_WATERMARK, {"queue": queue}).scalar_one()
    return latest


# A row that somebody else has just given a hint is read again by the UPDATE, but what NOT EXISTS asks is not: the due
# time as it was seen tells that it has changed.
_AGAIN = text(
    f"""
    WITH seen AS (
        SELECT id, run_at FROM jobs WHERE id = ANY(:ids)
    ), due AS (
        UPDATE jobs SET run_at = clock_timestamp() + :delay * interval '1 second'
        FROM seen
        WHERE jobs.id = seen.id AND jobs.run_at = seen.run_at
          AND state || '' IN ({sql_list(WAITING)}) AND jobs.run_at <= statement_timestamp()
          AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.due_at = jobs.run_at AND outbox.job_id = jobs.id)
          AND NOT EXISTS (SELECT 1 FROM held_hints WHERE held_hints.job_id = jobs.id)
        RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at
    ), hinted AS (
        INSERT INTO outbox (job_id, task, queue, due_at, alone, revivals)
        SELECT id, task, queue, run_at, true, :revivals FROM due
    )
    SELECT id, pg_notify('gristmill_outbox', '') FROM due
    """
)


def hint_again(session: Session, ids: Sequence[UUID], *, delay: timedelta, revivals: int = 0) -> set[UUID]:
    """Write a new hint for those of `ids` that wait, are due and have none; returns them.

    Args:
        session: the caller's.
        ids: jobs.
        delay: from now until the hint (and the job) is due.
        revivals: how often the broker has given up on a hint of them.
    """
    values = {"ids": list(ids), "delay": delay.total_seconds(), "revivals": revivals}
    return {row.id for row in session.execute(_AGAIN, values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HintTarget:
    """Where a job stands, for whoever holds a message about it."""

    id: UUID
    state: str
    task: str
    queue: str


_STANDING = text("SELECT id, state, task, queue FROM jobs WHERE id = ANY(:ids)")


def find_standing(session: Session, ids: Sequence[UUID]) -> dict[UUID, HintTarget]:
    """Return where those of `ids` stand that are jobs."""
    return {row["id"]: HintTarget(**row) for row in session.execute(_STANDING, {"ids": list(ids)}).mappings()}
