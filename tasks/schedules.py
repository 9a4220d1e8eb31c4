"""The schedules that come with the platform; beat writes them into the database where they are not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from shared.task import Task
from tasks.aggregate_stats import aggregate_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSchedule:
    """A rule in UTC that enqueues a job of `task` whenever `cron` is due.

    Attributes:
        catch_up: which fires to make up for after an outage: none, only the last, or all.
    """

    name: str
    cron: str
    task: Task
    args: Mapping[str, Any] = field(default_factory=dict)
    catch_up: Literal["none", "last", "all"] = "last"


SCHEDULES: Final = (DefaultSchedule(name="aggregate-hour", cron="0 * * * *", task=aggregate_hour),)
