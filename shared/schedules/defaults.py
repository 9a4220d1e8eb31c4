"""Default schedules: declare those that come with the code, and write them to the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from gristmill.shared.database.clock import read_clock
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.catch_up import CatchUp
from gristmill.shared.schedules.recurrence import Recurrence
from gristmill.shared.task import Task

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSchedule:
    """A schedule that comes with the code. Its cron rule is in UTC; an operator's schedule of the same name wins."""

    name: str
    cron: str
    task: Task
    args: Mapping[str, Any] = field(default_factory=dict)
    catch_up: CatchUp = "last"

    def columns(self) -> dict[str, Any]:
        """Return the columns that the code determines."""
        return {"cron": self.cron, "task": self.task.name, "args": dict(self.args), "catch_up": self.catch_up}


def sync_schedules(session: Session, defaults: Iterable[DefaultSchedule]) -> None:
    """Write the default schedules as the code declares them now. A schedule that an operator has changed stays."""
    now = read_clock(session)
    for default in defaults:
        first = next(Recurrence(cron=default.cron).after(now))
        row = {"name": default.name, "next_fire_at": first, "from_code": True, **default.columns()}
        if queries.insert_schedule(session, row):
            log.info("schedule.created", schedule=default.name, cron=default.cron)
        else:
            _update(session, default, first)


def _update(session: Session, default: DefaultSchedule, first: datetime) -> None:
    known = queries.lock_schedule(session, default.name)
    different = {name: value for name, value in default.columns().items() if getattr(known, name) != value}
    if not different:
        return
    if not known.from_code or known.changed_by is not None:
        log.warning("schedule.differs", schedule=default.name, fields=sorted(different), changed_by=known.changed_by)
        return
    for name, value in different.items():
        setattr(known, name, value)
    if "cron" in different:
        known.next_fire_at = first
    log.info("schedule.updated", schedule=default.name, fields=sorted(different))
