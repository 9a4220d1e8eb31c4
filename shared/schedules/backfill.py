"""Backfill a schedule: enqueue the jobs of past times that have none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.database.clock import read_clock
from gristmill.shared.errors import InvalidError
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.fire import make_jobs
from gristmill.shared.schedules.recurrence import recurrence_of
from gristmill.shared.schedules.run_now import FURTHEST_BACK, lock_runnable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.base.principal import Principal

MOST_AT_ONCE: Final = 1_000  # fires of one backfill: as many jobs as a batch may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The result of a backfill, or of its dry run.

    Attributes:
        times: the times that got a job now (in a dry run: would get one), oldest first.
        jobs: their jobs, in the same order; empty in a dry run.
        already: the number of times in the span that had a job before.
        next_from: where to continue when the span holds more times than the limit.
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
    """Enqueue the jobs of the times in a span that have none: missed, skipped, or before the schedule was created.

    Repeating creates none twice. `overlap: skip` is ignored: each of these times was asked for.

    Args:
        session: the caller's.
        name: of the schedule.
        principal: who requests it.
        start: the first time that may be among them.
        end: the first time that may not.
        limit: at most so many times.
        dry_run: only return the times.

    Raises:
        NotFoundError: there is no such schedule.
        InvalidError: the span is empty, in the future, or begins over a year ago; or the arguments no longer match.
        ConflictError: its task no longer exists.
        ForbiddenError: the principal may not post its task.
    """
    schedule = lock_runnable(session, name, principal)
    _check_span(start, end, read_clock(session))
    # The times from now on are left to the schedule itself.
    before = min(end, schedule.next_fire_at) if schedule.enabled else end
    found = recurrence_of(schedule).between(start, before, anchor=schedule.next_fire_at, most=limit + 1)
    chosen, following = found[:limit], found[limit:]
    fired = queries.list_fired(session, name, chosen)
    times = [time for time in chosen if time not in fired]
    jobs: list[UUID] = []
    if times and not dry_run:
        times = queries.order_fires(session, name, times, cause="backfill")
        jobs = make_jobs(session, schedule, times)
        _record(session, name, start, end, jobs=len(jobs), actor=principal.name)
    return Backfill(times=times, jobs=jobs, already=len(fired), next_from=following[0] if following else None)


def _record(session: Session, name: str, start: datetime, end: datetime, *, jobs: int, actor: str) -> None:
    record_act(
        session,
        actor=actor,
        action="schedule.backfill",
        subject=f"schedule:{name}",
        start=start.isoformat(),
        end=end.isoformat(),
        jobs=jobs,
    )


def _check_span(start: datetime, end: datetime, now: datetime) -> None:
    if end <= start:
        raise InvalidError("The span is empty: `from` comes before `to`", {"to": ["not after from"]})
    if start > now:
        raise InvalidError("The span is ahead: what is due later fires by itself", {"from": ["ahead of now"]})
    if end > now:
        raise InvalidError("The span ends ahead: what is due later fires by itself", {"to": ["ahead of now"]})
    if start < now - FURTHEST_BACK:
        raise InvalidError("The span begins more than a year ago", {"from": ["more than a year ago"]})
