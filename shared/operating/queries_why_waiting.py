"""What stands between a live job and its run: where its hint is, who is before it, whether its queue is paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Job

MOST_COUNTED: Final = 10_000  # jobs that are counted one by one; beyond it "more than" is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a job's row does not tell: the database's time, where its hint is, its last failure, a pause."""

    now: datetime
    in_outbox: bool
    is_held: bool
    outcome: str | None
    error: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None


# A hint is due when its job is: the index on due_at finds it, where one on job_id would cost every insert.
_LOOK = text(
    """
    SELECT clock_timestamp() AS now,
           EXISTS (SELECT 1 FROM outbox WHERE due_at = :run_at AND job_id = :id) AS in_outbox,
           EXISTS (SELECT 1 FROM held_hints WHERE job_id = :id) AS is_held,
           last.outcome, coalesce(last.error_code, last.error_type) AS error,
           control.paused_at, control.paused_by, control.pause_reason
    FROM (VALUES (1)) AS one
         LEFT JOIN queue_controls AS control ON control.queue = :queue
         LEFT JOIN LATERAL (
             SELECT outcome, error_code, error_type FROM attempts WHERE job_id = :id ORDER BY attempt DESC LIMIT 1
         ) AS last ON true
    """
)


def look_at(session: Session, job: Job) -> Look:
    """Return what there is to know about a job that is alive."""
    values = {"id": job.id, "run_at": job.run_at, "queue": job.queue}
    return Look(**session.execute(_LOOK, values).mappings().one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Who stands before a job in its queue. Counts end at `MOST_COUNTED` + 1."""

    ahead: int
    oldest_due_at: datetime | None
    running: int
    first_started_at: datetime | None


# In the order of the index: else the planner may hope to meet enough rows soon in the table, and read all of history.
_WAITS_BEFORE: Final = "queue = :queue AND state = '{state}' AND (run_at, id) < (:run_at, :id)"
_BEFORE: Final = [_WAITS_BEFORE.replace("{state}", state) for state in ("queued", "scheduled", "retrying")]
_LINE = text(
    f"""
    SELECT (SELECT count(*) FROM (
               {" UNION ALL ".join(f"(SELECT 1 FROM jobs WHERE {one} ORDER BY run_at LIMIT :most)" for one in _BEFORE)}
           ) AS before) AS ahead,
           least({", ".join(f"(SELECT min(run_at) FROM jobs WHERE {one})" for one in _BEFORE)}) AS oldest_due_at,
           count(*) AS running, min(started_at) AS first_started_at
    FROM (SELECT started_at FROM jobs WHERE queue = :queue AND state = 'running' ORDER BY run_at LIMIT :most) AS at_work
    """
)


def look_at_line(session: Session, job: Job) -> Line:
    """Return who stands before a job that is due; the cost is bounded, however long the line is."""
    values = {"queue": job.queue, "run_at": job.run_at, "id": job.id, "most": MOST_COUNTED + 1}
    return Line(**session.execute(_LINE, values).mappings().one())


_UNPUBLISHED = text(
    "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE due_at < :run_at ORDER BY due_at LIMIT :most) AS before"
)


def count_unpublished_before(session: Session, job: Job) -> int:
    """Return how many hints are to be published before that of `job`, at most `MOST_COUNTED` + 1."""
    return int(session.execute(_UNPUBLISHED, {"run_at": job.run_at, "most": MOST_COUNTED + 1}).scalar_one())
