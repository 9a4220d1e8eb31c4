"""When a rule is due: a cron expression on a time zone's wall clock, or every so many seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from gristmill.shared.errors import InvalidError

FIELDS: Final = (
    "minute (0-59), hour (0-23), day of month (1-31, L is the last), month (1-12 or JAN-DEC), "
    "day of week (0-7 or SUN-SAT)"
)
_CRON_FIELDS: Final = 5
_LONGEST_CRON: Final = 200  # characters; what is longer was not written by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule: either `cron`, on the wall clock of `timezone`, or `every` so many seconds.

    A cron rule that names a time which daylight saving leaves out is due when that hour ends; one that comes twice is
    due once, the first time. Rules whose minute or hour begins with `*` go by the hours that there are (as Debian's
    cron does; see cronsim).
    """

    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"

    def check(self) -> None:
        """Refuse what is no rule.

        Raises:
            InvalidError: `details` names `cron`, `every` or `timezone`, and the message shows how it is written.
        """
        next(self.after(datetime.now(UTC)))

    def after(self, after: datetime) -> Iterator[datetime]:
        """Yield the times at which it is due after `after`, in order, without end; a period counts from `after` on.

        Raises:
            InvalidError: it is no rule.
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
            anchor: a time at which it is due: a period is due so many times before and after it.
            most: how many at the most.
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
        except (CronSimError, AssertionError) as error:  # it asserts where `1#2/3` surprises it
            problem = str(error) or "a step of something that is no range"
            msg = f"{cron[:100]!r} is no cron expression ({problem}); it has five fields, like `0 * * * *`: {FIELDS}"
            raise InvalidError(msg, {"cron": [problem, f"five fields: {FIELDS}"]}) from None
        # Begun in the hour that comes twice, the second time, it would yield a time of the first.
        return (time for time in (each.astimezone(UTC) for each in found) if time > after)


def _multiples(after: datetime, step: timedelta) -> Iterator[datetime]:
    while True:
        after += step
        yield after
