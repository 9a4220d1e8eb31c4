"""Default schedules: check those that come with the code, and write them to the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from gristmill.shared.database.clock import read_clock
from gristmill.shared.errors import GristmillError, PluginError
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.define import check_args
from gristmill.shared.schedules.recurrence import Recurrence
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.schedules.declaration import Schedule

log = structlog.get_logger(__name__)


def check_default(schedule: Schedule) -> None:
    """Refuse a schedule of the code that could not fire. All tasks must be registered.

    Raises:
        PluginError: its rule is none, its task is unknown, or its arguments do not fit; names the schedule.
    """
    try:
        check_args(registry.get(schedule.task), schedule.args, first_fire(schedule, datetime.now(UTC)))
    except GristmillError as error:
        details = "".join(f"; {path}: {problem}" for path, problem in error.details.items())
        msg = f"The schedule {schedule.name}: {error.message}{details}"
        raise PluginError(msg) from error


def first_fire(schedule: Schedule, after: datetime) -> datetime:
    """Return the first time after `after` at which a schedule of the code is due.

    Raises:
        InvalidError: its rule is none.
    """
    return next(Recurrence(cron=schedule.cron, every=schedule.every, timezone=schedule.timezone).after(after))


def sync_schedules(session: Session, defaults: Iterable[Schedule]) -> None:
    """Write the default schedules as the code declares them now. A schedule that an operator has changed stays."""
    now = read_clock(session)
    for default in defaults:
        first = first_fire(default, now)
        row = {"name": default.name, "next_fire_at": first, "from_code": True, **default.columns()}
        if queries.insert_schedule(session, row):
            log.info("schedule.created", schedule=default.name, cron=default.cron, every=default.every)
        else:
            _update(session, default, first)


def _update(session: Session, default: Schedule, first: datetime) -> None:
    known = queries.lock_schedule(session, default.name)
    different = {name: value for name, value in default.columns().items() if getattr(known, name) != value}
    if not different:
        return
    if not known.from_code or known.changed_by is not None:
        log.warning("schedule.differs", schedule=default.name, fields=sorted(different), changed_by=known.changed_by)
        return
    for name, value in different.items():
        setattr(known, name, value)
    if {"cron", "every", "timezone"} & different.keys():
        known.next_fire_at = first
    log.info("schedule.updated", schedule=default.name, fields=sorted(different))
