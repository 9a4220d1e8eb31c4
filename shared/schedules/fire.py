"""Fire the schedules that are due: insert a fire and its job in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from gristmill.shared.database.clock import read_clock
from gristmill.shared.database.connect import SECRET_KEY
from gristmill.shared.errors import GristmillError
from gristmill.shared.jobs.enqueue import JobOptions, accept, prepare_on, terms_of
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.catch_up import ON_TIME, choose_fires, list_due
from gristmill.shared.schedules.declaration import FIRE_AT
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.schedules.models import Schedule

log = structlog.get_logger(__name__)

CLAIM: Final = 100  # schedules a tick: their rows are locked until it commits
OVERLAP_HORIZON: Final = timedelta(days=7)  # how far back overlap=skip looks for a live job


def fire_due(session: Session) -> dict[str, int]:
    """Fire the schedules that are due, and return the number of jobs that each enqueued.

    Their rows are locked, and each fire's row is unique: no other beat fires one of them again.
    """
    now = read_clock(session)
    made: Counter[str] = Counter()
    for schedule in queries.claim_due(session, limit=CLAIM):
        try:
            made[schedule.name] += _fire(session, schedule, now)
        except GristmillError as error:
            # A schedule that cannot fire (its task is gone) must not stop the others, nor be tried ten times a second.
            log.warning("schedule.disabled", schedule=schedule.name, error=error.message)
            schedule.enabled = False
    return dict(made)


def fire_missed(session: Session) -> dict[str, int]:
    """Fire in place of beat when it is not running or hangs. Returns the number of jobs that each schedule enqueued."""
    seconds = queries.seconds_to_next_fire(session)
    return fire_due(session) if seconds is not None and seconds < -ON_TIME.total_seconds() else {}


def _fire(session: Session, schedule: Schedule, now: datetime) -> int:
    due, following = list_due(schedule, now=now)
    with session.begin_nested():  # a fire that cannot become a job takes its rows with it
        jobs = sum(
            _make_job(session, schedule, time) for time in choose_fires(due, now=now, catch_up=schedule.catch_up)
        )
    schedule.next_fire_at = following
    return jobs


def _make_job(session: Session, schedule: Schedule, fire_at: datetime) -> int:
    skip = schedule.overlap == "skip" and find_live_job(session, schedule, before=fire_at) is not None
    if not queries.insert_fire(session, schedule.name, fire_at) or skip:
        return 0
    make_jobs(session, schedule, [fire_at])
    return 1


def find_live_job(session: Session, schedule: Schedule, *, before: datetime) -> UUID | None:
    """Return a live job of a recent fire of `schedule`, or None; `overlap: skip` depends on it."""
    return queries.find_live_job(session, schedule.name, since=before - OVERLAP_HORIZON)


def make_jobs(session: Session, schedule: Schedule, times: Sequence[datetime]) -> list[UUID]:
    """Enqueue a job for each of `times`, whose fires are recorded already, and link the two.

    Raises:
        UnknownTaskError: its task no longer exists.
        InvalidArgsError: its arguments no longer match the task's schema.
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
    """Return the arguments of one fire's job: `{fire_at}` is replaced by the time of the fire."""
    written = fire_at.astimezone(UTC).isoformat()
    return {name: written if value == FIRE_AT else value for name, value in args.items()}
