"""Fires by hand: a schedule is run now, or for times that have passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.errors import ConflictError, InvalidError
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.define import check_may_schedule
from gristmill.shared.schedules.fire import find_live_job, make_jobs, recurrence_of
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.base.principal import Principal
    from gristmill.shared.schedules.models import Schedule

FURTHEST_BACK: Final = timedelta(days=366)  # how long ago a fire may be: beyond it a year is a slip of the pen
MOST_AT_ONCE: Final = 1_000  # fires of one backfill: as many jobs as a batch may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A fire that was ordered by hand. `is_new` is False when that time had its job before."""

    fire_at: datetime
    job_id: UUID
    is_new: bool


def run_schedule(session: Session, name: str, *, principal: Principal, fire_at: datetime | None = None) -> Run:
    """Fire a schedule now, also one that is switched off.

    Args:
        session: the caller's.
        name: of the schedule.
        principal: who does it.
        fire_at: the time it is fired for, now or before. The same time gives the same job: asking again is safe.

    Raises:
        NotFoundError: there is no such schedule.
        InvalidError: `fire_at` is ahead or more than a year ago, or its arguments do not fit its task any more.
        ConflictError: its task is gone, or it is not to overlap and a job of it has not ended.
        ForbiddenError: the principal may not post its task.
    """
    schedule = _lock_to_fire(session, name, principal)
    now = queries.read_clock(session)
    time = fire_at or now
    if time > now:
        msg = "fire_at is ahead: a schedule is run for now, or for a time that has passed"
        raise InvalidError(msg, {"fire_at": ["ahead of the platform's clock"]})
    if time < now - FURTHEST_BACK:
        raise InvalidError("fire_at is more than a year ago", {"fire_at": ["more than a year ago"]})
    known = queries.find_fire(session, name, time)
    if known is not None and known.job_id is not None:
        return Run(fire_at=time, job_id=known.job_id, is_new=False)
    if schedule.overlap == "skip":
        live = find_live_job(session, schedule, before=now)
        if live is not None:
            msg = f"The job {live} of the schedule {name} has not ended, and it is not to overlap: wait, or cancel it"
            raise ConflictError(msg, {"job_id": str(live)})
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What a backfill did, or would do.

    Attributes:
        times: the times that got a job now (or would), oldest first.
        already: times of the span that had theirs before.
        next_from: where to go on, when there are more times than were asked for.
    """

    times: list[datetime]
    jobs: list[UUID]
    already: int
    next_from: datetime | None


def backfill_schedule(
    session: Session,
    name: str,
    *,
    principal: Principal,
    start: datetime,
    end: datetime,
    limit: int = MOST_AT_ONCE,
    dry_run: bool = False,
) -> Backfill:
    """Make the jobs of the times from `start` to before `end` that have none: missed, left out, or before it was made.

    Asking again makes none twice. `overlap: skip` is not looked at: each of these times was asked for.

    Raises:
        NotFoundError: there is no such schedule.
        InvalidError: the span is empty, ahead, or longer ago than a year; or its arguments do not fit any more.
        ConflictError: its task is gone.
        ForbiddenError: the principal may not post its task.
    """
    schedule = _lock_to_fire(session, name, principal)
    now = queries.read_clock(session)
    _check_span(start, end, now)
    # What is due from now on is the schedule's own to fire.
    before = min(end, schedule.next_fire_at) if schedule.enabled else end
    rule = recurrence_of(schedule)
    found = rule.between(start, before, anchor=schedule.next_fire_at, most=limit + 1)
    chosen, following = found[:limit], found[limit:]
    fired = queries.list_fired(session, name, chosen)
    times = [time for time in chosen if time not in fired]
    jobs: list[UUID] = []
    if times and not dry_run:
        times = queries.order_fires(session, name, times, cause="backfill")
        jobs = make_jobs(session, schedule, times)
        record_act(
            session,
            actor=principal.name,
            action="schedule.backfill",
            subject=f"schedule:{name}",
            start=start.isoformat(),
            end=end.isoformat(),
            jobs=len(jobs),
        )
    return Backfill(times=times, jobs=jobs, already=len(fired), next_from=following[0] if following else None)


def _lock_to_fire(session: Session, name: str, principal: Principal) -> Schedule:
    schedule = queries.lock_schedule(session, name)
    check_may_schedule(principal, schedule.task)
    if registry.find(schedule.task) is None:
        msg = f"The task {schedule.task} of the schedule {name} is gone: change its task, or delete it"
        raise ConflictError(msg)
    return schedule


def _check_span(start: datetime, end: datetime, now: datetime) -> None:
    if end <= start:
        raise InvalidError("The span is empty: `from` comes before `to`", {"to": ["not after from"]})
    if start > now:
        raise InvalidError("The span is ahead: what is due later fires by itself", {"from": ["ahead of now"]})
    if end > now:
        raise InvalidError("The span ends ahead: what is due later fires by itself", {"to": ["ahead of now"]})
    if start < now - FURTHEST_BACK:
        raise InvalidError("The span begins more than a year ago", {"from": ["more than a year ago"]})
