"""When a schedule is due, and what it does then: a fire row and a job, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import structlog

from gristmill.shared.database.connect import SECRET_KEY
from gristmill.shared.errors import GristmillError
from gristmill.shared.jobs.enqueue import JobOptions, accept, prepare_on, terms_of
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.recurrence import Recurrence
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.schedules.models import Schedule

log = structlog.get_logger(__name__)

CatchUp = Literal["none", "last", "all"]
FIRE_AT: Final = "{fire_at}"  # an argument of this text is replaced by the time the schedule was due
CLAIM: Final = 100  # schedules a tick: their rows are locked until it commits
MOST_FIRES: Final = 1_000  # fires of one schedule a tick; a long outage with catch_up=all is made up for in portions
ON_TIME: Final = timedelta(seconds=30)  # a fire that is no later than this was not missed
OVERLAP_HORIZON: Final = timedelta(days=7)  # how far back overlap=skip looks for a job that has not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSchedule:
    """A schedule that comes with the code: its cron rule is in UTC, and an operator's row of the same name wins."""

    name: str
    cron: str
    task: Task
    args: Mapping[str, Any] = field(default_factory=dict)
    catch_up: CatchUp = "last"


def choose_fires(due: list[datetime], *, now: datetime, catch_up: CatchUp) -> list[datetime]:
    """Return which of the times that have come (oldest first) are fired."""
    if catch_up == "all":
        return due
    if catch_up == "last":
        return due[-1:]
    return [time for time in due[-1:] if now - time <= ON_TIME]


def fire_due(session: Session) -> dict[str, int]:
    """Fire the schedules that are due; returns how many jobs each made.

    The rows of the schedules are locked, and each fire's row is unique, so that another beat fires none of them again.
    """
    now = queries.read_clock(session)
    made: Counter[str] = Counter()
    for schedule in queries.claim_due(session, limit=CLAIM):
        try:
            made[schedule.name] += _fire(session, schedule, now)
        except GristmillError as error:
            # A schedule that cannot fire (its task is gone) must not stop the others, nor be tried ten times a second.
            log.warning("schedule.disabled", schedule=schedule.name, error=error.message)
            schedule.enabled = False
    return dict(made)


def recurrence_of(schedule: Schedule) -> Recurrence:
    """Return the rule of a schedule."""
    return Recurrence(cron=schedule.cron, every=schedule.every, timezone=schedule.timezone)


def next_fires(schedule: Schedule, number: int) -> list[datetime]:
    """Return the next `number` times at which a schedule is due, none while it is switched off."""
    if not schedule.enabled:
        return []
    first = schedule.next_fire_at
    return [first, *islice(recurrence_of(schedule).after(first), number - 1)]


def _fire(session: Session, schedule: Schedule, now: datetime) -> int:
    coming = recurrence_of(schedule).after(schedule.next_fire_at)
    due, following = [schedule.next_fire_at], schedule.next_fire_at
    for following in islice(coming, MOST_FIRES):
        if following > now:
            break
        due.append(following)
    else:
        following = due.pop()
    with session.begin_nested():  # a fire that cannot become a job takes its rows with it
        jobs = sum(
            _make_job(session, schedule, time) for time in choose_fires(due, now=now, catch_up=_policy(schedule))
        )
    schedule.next_fire_at = following
    return jobs


def _policy(schedule: Schedule) -> CatchUp:
    if schedule.catch_up == "all":
        return "all"
    return "none" if schedule.catch_up == "none" else "last"


def _make_job(session: Session, schedule: Schedule, fire_at: datetime) -> int:
    skip = schedule.overlap == "skip" and find_live_job(session, schedule, before=fire_at) is not None
    if not queries.insert_fire(session, schedule.name, fire_at) or skip:
        return 0
    make_jobs(session, schedule, [fire_at])
    return 1


def find_live_job(session: Session, schedule: Schedule, *, before: datetime) -> UUID | None:
    """Return a job of a recent fire of `schedule` that has not ended, which `overlap: skip` looks for."""
    return queries.find_live_job(session, schedule.name, since=before - OVERLAP_HORIZON)


def make_jobs(session: Session, schedule: Schedule, times: Sequence[datetime]) -> list[UUID]:
    """Make a job for each of `times`, whose fires are on record, and link them.

    Raises:
        UnknownTaskError: its task is gone.
        InvalidArgsError: its arguments do not fit the task any more.
    """
    task = registry.get(schedule.task)
    terms = terms_of(task, JobOptions(tags=(f"schedule:{schedule.name}",)))
    secret_key = session.info[SECRET_KEY]
    jobs = [prepare_on(terms, task, fill_in(schedule.args, time), secret_key=secret_key) for time in times]
    accepted = accept(session, jobs)
    made = [each.id for each in accepted if isinstance(each, Accepted)]
    assert len(made) == len(times)  # noqa: S101  a job without an idempotency key has no conflict
    queries.link_fires(session, schedule.name, dict(zip(times, made, strict=True)))
    return made


def fill_in(args: Mapping[str, Any], fire_at: datetime) -> dict[str, Any]:
    """Return the arguments of the job of one fire: `{fire_at}` stands for the time it was due."""
    written = fire_at.astimezone(UTC).isoformat()
    return {name: written if value == FIRE_AT else value for name, value in args.items()}


def fire_missed(session: Session) -> dict[str, int]:
    """Fire what no beat has fired in time: none runs, or they hang. Returns how many jobs each schedule made."""
    overdue = seconds_to_next_fire(session)
    return fire_due(session) if overdue is not None and overdue < -ON_TIME.total_seconds() else {}


def seconds_to_next_fire(session: Session) -> float | None:
    """Return how many seconds from now the next schedule is due, None when there is none."""
    return queries.seconds_to_next(session)


def sync_schedules(session: Session, defaults: Iterable[DefaultSchedule]) -> None:
    """Write the schedules that come with the code, as it says now, unless somebody has changed them by hand."""
    now = queries.read_clock(session)
    for default in defaults:
        rule = Recurrence(cron=default.cron)
        shipped: dict[str, Any] = {
            "cron": default.cron,
            "task": default.task.name,
            "args": dict(default.args),
            "catch_up": default.catch_up,
        }
        first = next(rule.after(now))
        if queries.insert_schedule(session, {"name": default.name, "next_fire_at": first, "from_code": True} | shipped):
            log.info("schedule.created", schedule=default.name, cron=default.cron)
            continue
        known = queries.lock_schedule(session, default.name)
        different = {name: value for name, value in shipped.items() if getattr(known, name) != value}
        if not different:
            continue
        if not known.from_code or known.changed_by is not None:
            log.warning(
                "schedule.differs", schedule=default.name, fields=sorted(different), changed_by=known.changed_by
            )
            continue
        for name, value in different.items():
            setattr(known, name, value)
        if "cron" in different:
            known.next_fire_at = first
        log.info("schedule.updated", schedule=default.name, fields=sorted(different))
