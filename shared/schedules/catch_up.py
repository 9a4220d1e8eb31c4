"""Catch up with missed fires: list the times that have come due, and choose those that still fire."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from gristmill.shared.schedules.recurrence import recurrence_of

if TYPE_CHECKING:
    from gristmill.shared.schedules.models import Schedule

MOST_FIRES: Final = 1_000  # fires of one schedule a tick; with catch_up=all a long outage takes several ticks
ON_TIME: Final = timedelta(seconds=30)  # a fire that is no later than this was not missed


def list_due(schedule: Schedule, *, now: datetime) -> tuple[list[datetime], datetime]:
    """Return the times at which a schedule was due up to `now`, oldest first, and the time it is due next.

    At most `MOST_FIRES` times are returned. When more have come, the next one lies in the past: the schedule stays due.
    """
    coming = recurrence_of(schedule).after(schedule.next_fire_at)
    due, following = [schedule.next_fire_at], schedule.next_fire_at
    for following in islice(coming, MOST_FIRES):
        if following > now:
            return due, following
        due.append(following)
    return due[:-1], following


def choose_fires(due: list[datetime], *, now: datetime, catch_up: str) -> list[datetime]:
    """Return the times that fire.

    Args:
        due: the times that have come, oldest first.
        now: the database's time.
        catch_up: `all` fires each of them, `last` only the latest, `none` only the latest and only when it is on time.
    """
    if catch_up == "all":
        return due
    if catch_up == "none":
        return [time for time in due[-1:] if now - time <= ON_TIME]
    return due[-1:]
