"""Run a schedule immediately, or for one time in the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.database.clock import read_clock
from gristmill.shared.errors import ConflictError, InvalidError
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.define import check_may_schedule
from gristmill.shared.schedules.fire import find_live_job, make_jobs
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.base.principal import Principal
    from gristmill.shared.schedules.models import Schedule

FURTHEST_BACK: Final = timedelta(
    days=366
)  # the oldest time that can be fired; an older one is taken for a typing error


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A fire that was requested by hand. `is_new` is False when that time had a job before."""

    fire_at: datetime
    job_id: UUID
    is_new: bool


def run_schedule(session: Session, name: str, *, principal: Principal, fire_at: datetime | None = None) -> Run:
    """Fire a schedule immediately, even one that is disabled.

    Args:
        session: the caller's.
        name: of the schedule.
        principal: who requests it.
        fire_at: the time of the fire, now (the default) or before. The same time gives the same job: repeating is safe.

    Raises:
        NotFoundError: there is no such schedule.
        InvalidError: `fire_at` is in the future or more than a year ago, or the arguments no longer match the task.
        ConflictError: its task no longer exists, or `overlap` is `skip` and one of its jobs is live.
        ForbiddenError: the principal may not post its task.
    """
    schedule = lock_runnable(session, name, principal)
    now = read_clock(session)
    time = fire_at or now
    _check_time(time, now)
    known = queries.find_fire(session, name, time)
    if known is not None and known.job_id is not None:
        return Run(fire_at=time, job_id=known.job_id, is_new=False)
    _check_overlap(session, schedule, now)
    queries.order_fires(session, name, [time], cause="run")
    (job_id,) = make_jobs(session, schedule, [time])
    record_act(
        session,
        actor=principal.name,
        action="schedule.run",
        subject=f"schedule:{name}",
        fire_at=time.isoformat(),
        job_id=str(job_id),
    )
    return Run(fire_at=time, job_id=job_id, is_new=True)


def lock_runnable(session: Session, name: str, principal: Principal) -> Schedule:
    """Return a schedule that `principal` may run, locked until the caller's transaction ends.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: its task no longer exists.
        ForbiddenError: the principal may not post its task.
    """
    schedule = queries.lock_schedule(session, name)
    check_may_schedule(principal, schedule.task)
    if registry.find(schedule.task) is None:
        msg = f"The task {schedule.task} of the schedule {name} is gone: change its task, or delete it"
        raise ConflictError(msg)
    return schedule


def _check_time(time: datetime, now: datetime) -> None:
    if time > now:
        msg = "fire_at is ahead: a schedule is run for now, or for a time that has passed"
        raise InvalidError(msg, {"fire_at": ["ahead of the platform's clock"]})
    if time < now - FURTHEST_BACK:
        raise InvalidError("fire_at is more than a year ago", {"fire_at": ["more than a year ago"]})


def _check_overlap(session: Session, schedule: Schedule, now: datetime) -> None:
    live = find_live_job(session, schedule, before=now) if schedule.overlap == "skip" else None
    if live is not None:
        msg = f"The job {live} of the schedule {schedule.name} has not ended, and overlap is skip: wait, or cancel it"
        raise ConflictError(msg, {"job_id": str(live)})
