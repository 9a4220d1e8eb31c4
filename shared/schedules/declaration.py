"""Schedules that come with the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

CatchUp = Literal["none", "last", "all"]
Overlap = Literal["allow", "skip"]
FIRE_AT: Final = "{fire_at}"  # an argument with this text is replaced by the time of the fire


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that comes with the code. Beat writes it into the database; an operator's change to it wins.

    Args:
        name: unique among all schedules, such as `send-invoices`.
        cron: five fields on the wall clock of `timezone`, such as `30 7 * * mon-fri`; give it or `every`.
        every: a period in seconds, 1 at least.
        timezone: an IANA name, such as `Europe/Berlin`.
        task: the name of a task, which takes no secret arguments.
        args: its arguments. A value that is `{fire_at}` is replaced by the time of the fire.
        catch_up: jobs made for fires that were missed: `none`, only the `last`, or `all`.
        overlap: `skip` makes no job while the last one of this schedule is live; `allow` does.
    """

    name: str
    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"
    task: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    catch_up: CatchUp = "last"
    overlap: Overlap = "allow"

    def columns(self) -> dict[str, Any]:
        """Return the columns that the code determines."""
        names = ("cron", "every", "timezone", "task", "catch_up", "overlap")
        return {name: getattr(self, name) for name in names} | {"args": dict(self.args)}
