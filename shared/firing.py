"""When a schedule is due, and what it does then: a fire row and a job, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim, CronSimError

from shared.db import SECRET_KEY
from shared.errors import GristmillError, InvalidError
from shared.producer import JobOptions, accept, prepare
from shared.queries import schedules as queries
from shared.queries.jobs import Accepted
from shared.task import Task, registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from shared.models.schedules import Schedule

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


def times_after(after: datetime, *, cron: str | None, every: float | None, timezone: str) -> Iterator[datetime]:
    """Yield the times at which a rule is due after `after`, in order, without end.

    A cron rule follows its time zone's wall clock: an hour that daylight saving leaves out is made up for when it
    ends, an hour that comes twice fires once (as Debian's cron does; see cronsim).

    Raises:
        InvalidError: the cron expression is none.
    """
    if every is not None:
        step = timedelta(seconds=every)
        while True:
            after += step
            yield after
    try:
        wall_clock = CronSim(cron or "", after.astimezone(ZoneInfo(timezone)))
    except CronSimError as error:
        msg = f"{cron!r} is no cron expression ({error}); five fields like `0 * * * *` are expected"
        raise InvalidError(msg, {"cron": [str(error)]}) from error
    yield from wall_clock


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


def _fire(session: Session, schedule: Schedule, now: datetime) -> int:
    coming = times_after(schedule.next_fire_at, cron=schedule.cron, every=schedule.every, timezone=schedule.timezone)
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
    skip = schedule.overlap == "skip" and queries.has_live_fire(session, schedule.name, since=fire_at - OVERLAP_HORIZON)
    if not queries.insert_fire(session, schedule.name, fire_at) or skip:
        return 0
    args = {
        name: fire_at.astimezone(ZoneInfo("UTC")).isoformat() if value == FIRE_AT else value
        for name, value in schedule.args.items()
    }
    options = JobOptions(tags=(f"schedule:{schedule.name}",))
    job = prepare(registry.get(schedule.task), args, options, secret_key=session.info[SECRET_KEY])
    accepted = accept(session, [job])[0]
    assert isinstance(accepted, Accepted)  # noqa: S101  a job without an idempotency key has no conflict
    queries.link_fire(session, schedule.name, fire_at, accepted.id)
    return 1


def fire_missed(session: Session) -> dict[str, int]:
    """Fire what no beat has fired in time: none runs, or they hang. Returns how many jobs each schedule made."""
    overdue = seconds_to_next_fire(session)
    return fire_due(session) if overdue is not None and overdue < -ON_TIME.total_seconds() else {}


def seconds_to_next_fire(session: Session) -> float | None:
    """Return how many seconds from now the next schedule is due, None when there is none."""
    return queries.seconds_to_next(session)


def sync_schedules(session: Session, defaults: Iterable[DefaultSchedule]) -> None:
    """Write the schedules that come with the code, where no row of their name is there yet."""
    now = queries.read_clock(session)
    for default in defaults:
        first = next(times_after(now, cron=default.cron, every=None, timezone="UTC"))
        values = {
            "name": default.name,
            "cron": default.cron,
            "task": default.task.name,
            "args": dict(default.args),
            "catch_up": default.catch_up,
            "next_fire_at": first,
        }
        if queries.insert_schedule(session, values):
            log.info("schedule.created", schedule=default.name, cron=default.cron)
