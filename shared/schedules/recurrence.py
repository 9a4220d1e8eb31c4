"""Recurrence rules: compute the times of a cron expression in a time zone, or of a period in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from gristmill.shared.errors import InvalidError

if TYPE_CHECKING:
    from gristmill.shared.schedules.models import Schedule

FIELDS: Final = (
    "minute (0-59), hour (0-23), day of month (1-31, L is the last), month (1-12 or JAN-DEC), "
    "day of week (0-7 or SUN-SAT)"
)
_CRON_FIELDS: Final = 5
_LONGEST_CRON: Final = 200  # characters; what is longer was not written by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule: either `cron`, on the wall clock of `timezone`, or `every`, a period in seconds.

    A time that daylight saving skips is due when the skipped hour ends. A time that comes twice is due once, the first
    time. Rules whose minute or hour begins with `*` follow elapsed hours, as Debian's cron does; see cronsim.
    """

    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"

    def check(self) -> None:
        """Refuse an invalid rule.

        Raises:
            InvalidError: `details` names `cron`, `every` or `timezone`; the message shows the correct form.
        """
        next(self.after(datetime.now(UTC)))

    def after(self, after: datetime) -> Iterator[datetime]:
        """Yield the times at which the rule is due after `after`, in order, endlessly. A period counts from `after`.

        Raises:
            InvalidError: the rule is invalid.
        """
        if (self.cron is None) is (self.every is None):
            msg = "A schedule has either cron (like `0 * * * *`) or every (seconds)"
            raise InvalidError(msg, {"cron": ["give cron or every, and not both"]})
        zone = self._zone()
        if self.every is not None:
            return _multiples(after, timedelta(seconds=self.every))
        return self._wall_clock(after, zone)

    def between(self, start: datetime, end: datetime, *, anchor: datetime, most: int) -> list[datetime]:
        """Return the first `most` times with `start` <= time < `end`.

        Args:
            start: the first that may be among them.
            end: the first that may not.
            anchor: a time at which the rule is due; a period is counted from it in both directions.
            most: at most so many times.
        """
        if self.every is not None:
            step = timedelta(seconds=self.every)
            first = anchor + math.ceil((start - anchor) / step) * step
            coming: Iterator[datetime] = _multiples(first - step, step)
        else:
            coming = self.after(start - timedelta(seconds=1))
        return list(islice(takewhile(lambda time: time < end, (time for time in coming if time >= start)), most))

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            msg = f"{self.timezone[:100]!r} is no time zone; write it as Europe/Berlin or UTC"
            raise InvalidError(msg, {"timezone": ["no such time zone; for instance Europe/Berlin"]}) from None

    def _wall_clock(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        cron = (self.cron or "")[:_LONGEST_CRON]
        five = len(cron.split()) == _CRON_FIELDS
        try:
            found = CronSim(cron if five else "", after.astimezone(zone))
        except (CronSimError, AssertionError) as error:  # cronsim asserts on `1#2/3`
            problem = str(error) or "a step of something that is no range"
            msg = f"{cron[:100]!r} is no cron expression ({problem}); it has five fields, like `0 * * * *`: {FIELDS}"
            raise InvalidError(msg, {"cron": [problem, f"five fields: {FIELDS}"]}) from None
        # Started in the second pass of an hour that comes twice, cronsim would yield a time of the first pass.
        return (time for time in (each.astimezone(UTC) for each in found) if time > after)


def recurrence_of(schedule: Schedule) -> Recurrence:
    """Return the rule of a schedule."""
    return Recurrence(cron=schedule.cron, every=schedule.every, timezone=schedule.timezone)


def next_fires(schedule: Schedule, number: int) -> list[datetime]:
    """Return the next `number` times at which a schedule is due; none while it is disabled."""
    if not schedule.enabled:
        return []
    first = schedule.next_fire_at
    return [first, *islice(recurrence_of(schedule).after(first), number - 1)]


def _multiples(after: datetime, step: timedelta) -> Iterator[datetime]:
    while True:
        after += step
        yield after
