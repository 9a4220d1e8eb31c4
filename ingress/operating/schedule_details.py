"""Show a schedule with its next fires, and a fire with the state of its job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gristmill.ingress.schemas.schedules import NAME
from gristmill.shared.errors import InvalidError
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.models import Schedule
from gristmill.shared.schedules.recurrence import next_fires

if TYPE_CHECKING:
    from gristmill.shared.schedules.models import Fire


def shipped_schedules() -> frozenset[str]:
    """Return the names of the schedules that come with the code, and would come again."""
    return frozenset(each.name for each in load_plugins().schedules)


def check_schedule_name(name: str) -> None:
    """Refuse a name that no schedule may have.

    Raises:
        InvalidError: says which characters are allowed.
    """
    if re.fullmatch(NAME, name) is None:
        msg = f"{name[:100]!r} is not a valid name: use up to 100 lower-case letters, digits, dots, dashes, underscores"
        raise InvalidError(msg, {"name": [f"must match {NAME}"]})


def show_schedule_details(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule with its next five fires."""
    shown = {column.key: getattr(schedule, column.key) for column in Schedule.__table__.columns}
    return shown | {"next_fires": next_fires(schedule, 5)}


def show_fire(row: tuple[Fire, str | None]) -> dict[str, Any]:
    """Return a fire with the state of its job."""
    fire, state = row
    return {
        "fire_at": fire.fire_at,
        "cause": fire.cause,
        "job_id": fire.job_id,
        "state": state,
        "created_at": fire.created_at,
    }
