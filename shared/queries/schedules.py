"""Schedules and fires as rows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from shared.models.schedules import Fire, Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_NOW = text("SELECT clock_timestamp()")
_NEXT = text("SELECT extract(epoch FROM min(next_fire_at) - clock_timestamp()) FROM schedules WHERE enabled")
_PREVIOUS_IS_LIVE = text(
    """
    SELECT EXISTS (
        SELECT 1 FROM fires JOIN jobs ON jobs.id = fires.job_id
        WHERE fires.schedule = :schedule AND jobs.state IN ('scheduled', 'queued', 'running', 'retrying')
          AND fires.fire_at >= :since)
    """
)


def read_clock(session: Session) -> datetime:
    """Return the database's time of day."""
    now: datetime = session.execute(_NOW).scalar_one()
    return now


def claim_due(session: Session, *, limit: int) -> Sequence[Schedule]:
    """Lock up to `limit` schedules that are due, longest first, passing by those that another beat fires just now."""
    query = (
        select(Schedule)
        .where(Schedule.enabled, Schedule.next_fire_at <= text("statement_timestamp()"))
        .order_by(Schedule.next_fire_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).all()


def seconds_to_next(session: Session) -> float | None:
    """Return how many seconds from now the next enabled schedule is due, None when there is none."""
    seconds = session.execute(_NEXT).scalar_one()
    return None if seconds is None else float(seconds)


def insert_fire(session: Session, schedule: str, fire_at: datetime) -> bool:
    """Record that `schedule` was due at `fire_at`. Returns False when that is on record already."""
    statement = (
        insert(Fire).values(schedule=schedule, fire_at=fire_at).on_conflict_do_nothing().returning(Fire.schedule)
    )
    return session.execute(statement).scalar_one_or_none() is not None


def link_fire(session: Session, schedule: str, fire_at: datetime, job_id: UUID) -> None:
    """Record which job a fire made."""
    fire = session.get_one(Fire, (schedule, fire_at))
    fire.job_id = job_id


def has_live_fire(session: Session, schedule: str, *, since: datetime) -> bool:
    """Say whether a job of a fire of this schedule since `since` has not ended."""
    return bool(session.execute(_PREVIOUS_IS_LIVE, {"schedule": schedule, "since": since}).scalar_one())


def insert_schedule(session: Session, values: dict[str, Any]) -> bool:
    """Write a schedule unless one of its name is there; returns whether it was written."""
    statement = insert(Schedule).values(**values).on_conflict_do_nothing().returning(Schedule.name)
    return session.execute(statement).scalar_one_or_none() is not None
