"""The schedules that come with the platform; beat writes them into the database where they are not there yet."""

from __future__ import annotations

from typing import Final

from gristmill.shared.schedules.defaults import DefaultSchedule
from gristmill.shared.schedules.fire import FIRE_AT
from gristmill.tasks.records.aggregate_stats import aggregate_hour

SCHEDULES: Final = (
    DefaultSchedule(
        name="aggregate-hour", cron="0 * * * *", task=aggregate_hour, args={"before": FIRE_AT}, catch_up="all"
    ),
)
