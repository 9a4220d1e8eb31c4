"""The jobs, hints and dead letters of a test as rows, and the time of what happens next."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sqlalchemy import select, text

from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_TAKE_HINTS: Final = text("DELETE FROM gristmill.outbox WHERE job_id = :job AND due_at <= statement_timestamp()")
# Those that a relay would let share the hint, oldest first.
_TAKE_MATES: Final = text(
    """
    DELETE FROM gristmill.outbox WHERE id = ANY(ARRAY(
        SELECT id FROM gristmill.outbox
        WHERE due_at <= statement_timestamp() AND task = :task AND queue = :queue AND NOT alone
        ORDER BY due_at, job_id LIMIT :limit))
    RETURNING job_id, due_at
    """
)
_COUNT_DUE: Final = text(
    "SELECT task, count(*) FROM gristmill.outbox WHERE due_at <= statement_timestamp() GROUP BY task ORDER BY 2 DESC, 1"
)
_NEXT_EVENT: Final = text(
    """
    SELECT least((SELECT min(due_at) FROM gristmill.outbox),
                 (SELECT min(next_fire_at) FROM gristmill.schedules WHERE enabled),
                 (SELECT min(lease_until) FROM gristmill.jobs WHERE state = 'running'),
                 (SELECT min(expires_at) FROM gristmill.held_hints))
    """
)
_PAUSED: Final = text("SELECT EXISTS (SELECT FROM gristmill.queue_controls WHERE queue = :queue AND paused_at < now())")


class Ended(NamedTuple):
    """A job after an attempt."""

    id: UUID
    state: str
    result: object


def take_hints_of(session: Session, job_id: UUID) -> None:
    """Take the due hints of a job out of the outbox, as the relay does that publishes them."""
    session.execute(_TAKE_HINTS, {"job": job_id})


def take_mates(session: Session, *, task: str, queue: str, limit: int) -> list[UUID]:
    """Take up to `limit` due hints of a task out of the outbox, and return their jobs, oldest first."""
    rows = session.execute(_TAKE_MATES, {"task": task, "queue": queue, "limit": limit}).all()
    return [row.job_id for row in sorted(rows, key=lambda row: (row.due_at, row.job_id))]


def count_due(session: Session) -> dict[str, int]:
    """Return the number of due hints of each task, the largest first."""
    return {row[0]: row[1] for row in session.execute(_COUNT_DUE)}


def find_next_event(session: Session) -> datetime | None:
    """Return the time at which a hint or a schedule is due, a lease ends or a held job expires; None without any."""
    at: datetime | None = session.execute(_NEXT_EVENT).scalar_one()
    return at


def is_paused(session: Session, queue: str) -> bool:
    """Return whether a queue is paused."""
    return bool(session.execute(_PAUSED, {"queue": queue}).scalar_one())


def find_ends(session: Session, ids: Sequence[UUID]) -> dict[UUID, Ended]:
    """Return the states and results of jobs."""
    query = select(Job.id, Job.state, Job.result).where(Job.id.in_(ids))
    return {row.id: Ended(*row) for row in session.execute(query)}


def list_jobs(session: Session) -> Sequence[Job]:
    """Return all jobs, the earliest first."""
    return session.scalars(select(Job).order_by(Job.created_at, Job.id)).all()


def list_open_letters(session: Session) -> Sequence[DeadLetter]:
    """Return the open dead letters, the earliest first."""
    query = select(DeadLetter).where(DeadLetter.resolution.is_(None)).order_by(DeadLetter.created_at, DeadLetter.id)
    return session.scalars(query).all()
