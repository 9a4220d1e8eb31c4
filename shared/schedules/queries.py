"""Schedules and fires as rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from gristmill.shared.errors import NotFoundError
from gristmill.shared.jobs.models import Job
from gristmill.shared.schedules.models import Fire, Schedule
from gristmill.shared.states import LIVE, sql_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

Cause = Literal["due", "run", "backfill"]

_NEXT = text("SELECT extract(epoch FROM min(next_fire_at) - clock_timestamp()) FROM gristmill.schedules WHERE enabled")
# Its last hundred jobs: with `overlap: skip` one of them lives at the most, but for those that were ordered by hand.
_LIVE_JOB = text(
    f"""
    SELECT jobs.id
    FROM (SELECT job_id FROM gristmill.fires WHERE schedule = :schedule AND job_id IS NOT NULL AND fire_at >= :since
          ORDER BY fire_at DESC LIMIT 100) AS recent
         JOIN gristmill.jobs ON jobs.id = recent.job_id
    WHERE jobs.state IN ({sql_list(LIVE)})
    LIMIT 1
    """
)


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


def seconds_to_next_fire(session: Session) -> float | None:
    """Return how many seconds from now the next enabled schedule is due, None when there is none."""
    seconds = session.execute(_NEXT).scalar_one()
    return None if seconds is None else float(seconds)


def insert_fire(session: Session, schedule: str, fire_at: datetime, *, cause: Cause = "due") -> bool:
    """Record that `schedule` was due at `fire_at`. Returns False when that is on record already."""
    values = {"schedule": schedule, "fire_at": fire_at, "cause": cause}
    statement = insert(Fire).values(values).on_conflict_do_nothing().returning(Fire.schedule)
    return session.execute(statement).scalar_one_or_none() is not None


_ORDER = text(
    """
    INSERT INTO gristmill.fires (schedule, fire_at, cause)
    SELECT :schedule, time, :cause FROM unnest(CAST(:times AS timestamptz[])) AS time
    ON CONFLICT (schedule, fire_at) DO UPDATE SET cause = excluded.cause WHERE fires.job_id IS NULL
    RETURNING fire_at
    """
)


def order_fires(session: Session, schedule: str, times: Sequence[datetime], *, cause: Cause) -> list[datetime]:
    """Record fires that were ordered by hand, and return in order those that have no job yet.

    The caller has locked the schedule. A time that was left out (`overlap: skip`) is among them.
    """
    values = {"schedule": schedule, "times": list(times), "cause": cause}
    return sorted(session.execute(_ORDER, values).scalars())


def find_fire(session: Session, schedule: str, fire_at: datetime) -> Fire | None:
    """Return the fire of that time, or None."""
    return session.get(Fire, (schedule, fire_at), populate_existing=True)


def list_fired(session: Session, schedule: str, times: Sequence[datetime]) -> set[datetime]:
    """Return those of `times` whose fire has a job."""
    query = select(Fire.fire_at).where(Fire.schedule == schedule, Fire.fire_at.in_(times), Fire.job_id.is_not(None))
    return set(session.scalars(query))


def list_fires(
    session: Session, schedule: str, *, limit: int, before: datetime | None = None
) -> list[tuple[Fire, str | None]]:
    """Return at most `limit` fires, the latest first, with the states of their jobs."""
    query = (
        select(Fire, Job.state)
        .outerjoin(Job, Job.id == Fire.job_id)
        .where(Fire.schedule == schedule)
        .order_by(Fire.fire_at.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Fire.fire_at < before)
    return [(row[0], row[1]) for row in session.execute(query)]


def link_fires(session: Session, schedule: str, jobs: Mapping[datetime, UUID]) -> None:
    """Record which job each fire made."""
    session.execute(
        text(
            "UPDATE gristmill.fires SET job_id = made.job_id "
            "FROM unnest(CAST(:times AS timestamptz[]), CAST(:jobs AS uuid[])) AS made(fire_at, job_id) "
            "WHERE fires.schedule = :schedule AND fires.fire_at = made.fire_at"
        ),
        {"schedule": schedule, "times": list(jobs), "jobs": list(jobs.values())},
    )


def find_live_job(session: Session, schedule: str, *, since: datetime) -> UUID | None:
    """Return a job of a fire of this schedule since `since` that has not ended, or None."""
    found: UUID | None = session.execute(_LIVE_JOB, {"schedule": schedule, "since": since}).scalar_one_or_none()
    return found


def get_schedule(session: Session, name: str) -> Schedule:
    """Return the schedule.

    Raises:
        NotFoundError: there is none of this name.
    """
    return _get(session, name)


def list_schedules(session: Session, *, limit: int, after: str | None = None) -> Sequence[Schedule]:
    """Return at most `limit` schedules by name; `after` is the last name of the previous page."""
    query = select(Schedule).order_by(Schedule.name).limit(limit)
    if after is not None:
        query = query.where(Schedule.name > after)
    return session.scalars(query).all()


def lock_schedule(session: Session, name: str) -> Schedule:
    """Return the schedule; nobody else changes or fires it before the end of the caller's transaction.

    Raises:
        NotFoundError: there is none of this name.
    """
    return _get(session, name, populate_existing=True, with_for_update={"key_share": True})


def _get(session: Session, name: str, **how: Any) -> Schedule:
    found = session.get(Schedule, name, **how) if "\0" not in name else None  # which Postgres cannot even be asked for
    if found is None:
        msg = f"No schedule is called {name[:100]!r}: GET /api/v1/schedules or `gristmill schedules list` lists them"
        raise NotFoundError(msg)
    return found


def delete_schedule(session: Session, schedule: Schedule) -> None:
    """Delete a schedule with the record of its fires; its jobs stay."""
    session.delete(schedule)


def insert_schedule(session: Session, values: dict[str, Any]) -> bool:
    """Write a schedule unless one of its name is there; returns whether it was written."""
    statement = insert(Schedule).values(**values).on_conflict_do_nothing().returning(Schedule.name)
    return session.execute(statement).scalar_one_or_none() is not None
