"""Read what a live job waits for: its hint, a pause of its queue, and the jobs before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gristmill.shared.database import bounded_count
from gristmill.shared.database.rows import rows_as
from gristmill.shared.states import WAITING, State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """Facts beside a job's row: the database's time, the location of its hint, its last failure, a pause."""

    now: datetime
    in_outbox: bool
    is_held: bool
    outcome: str | None
    error: str | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None


# A hint is due when its job is, so the index on due_at finds it. An index on job_id would make every insert slower.
_FACTS = text(
    """
    SELECT clock_timestamp() AS now,
           EXISTS (SELECT 1 FROM gristmill.outbox WHERE due_at = :run_at AND job_id = :id) AS in_outbox,
           EXISTS (SELECT 1 FROM gristmill.held_hints WHERE job_id = :id) AS is_held,
           last.outcome, coalesce(last.error_code, last.error_type) AS error,
           control.paused_at, control.paused_by, control.pause_reason
    FROM (VALUES (1)) AS one
         LEFT JOIN gristmill.queue_controls AS control ON control.queue = :queue
         LEFT JOIN LATERAL (
             SELECT outcome, error_code, error_type FROM gristmill.attempts WHERE job_id = :id ORDER BY attempt DESC
             LIMIT 1
         ) AS last ON true
    """
)


def get_job_facts(session: Session, job: Job) -> JobFacts:
    """Return the facts of a live job."""
    values = {"id": job.id, "run_at": job.run_at, "queue": job.queue}
    (facts,) = rows_as(JobFacts, session.execute(_FACTS, values))
    return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePosition:
    """The jobs before a job in its queue, and those that run. Counts end at `bounded_count.MOST_COUNTED` + 1."""

    ahead: int
    oldest_due_at: datetime | None
    running: int
    first_started_at: datetime | None


# In the order of the index: otherwise the planner may expect to find enough rows early, and scan all of history.
_WAITS_BEFORE: Final = "queue = :queue AND state = '{state}' AND (run_at, id) < (:run_at, :id)"
_BEFORE: Final = [_WAITS_BEFORE.replace("{state}", state) for state in sorted(WAITING)]
_DUE_BEFORE: Final = [
    f"(SELECT 1 FROM gristmill.jobs WHERE {condition} ORDER BY run_at LIMIT :most)" for condition in _BEFORE
]
_OLDEST_BEFORE: Final = [f"(SELECT min(run_at) FROM gristmill.jobs WHERE {condition})" for condition in _BEFORE]
_POSITION = text(
    f"""
    SELECT (SELECT count(*) FROM (
               {" UNION ALL ".join(_DUE_BEFORE)}
           ) AS before) AS ahead,
           least({", ".join(_OLDEST_BEFORE)}) AS oldest_due_at,
           count(*) AS running, min(started_at) AS first_started_at
    FROM (SELECT started_at FROM gristmill.jobs WHERE queue = :queue AND state = '{State.RUNNING}'
          ORDER BY run_at LIMIT :most) AS at_work
    """
)


def get_queue_position(session: Session, job: Job) -> QueuePosition:
    """Return the position of a due job in its queue; the cost is bounded, however long the queue is."""
    values = {"queue": job.queue, "run_at": job.run_at, "id": job.id, "most": bounded_count.MOST_COUNTED + 1}
    (position,) = rows_as(QueuePosition, session.execute(_POSITION, values))
    return position


_UNPUBLISHED = text(
    "SELECT count(*) FROM (SELECT 1 FROM gristmill.outbox WHERE due_at < :run_at ORDER BY due_at LIMIT :most) AS before"
)


def count_unpublished_before(session: Session, job: Job) -> int:
    """Return the number of hints to be published before that of `job`, at most `bounded_count.MOST_COUNTED` + 1."""
    return int(
        session.execute(_UNPUBLISHED, {"run_at": job.run_at, "most": bounded_count.MOST_COUNTED + 1}).scalar_one()
    )
