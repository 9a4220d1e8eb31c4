"""The default schedules of this kind of work; beat writes them into the database when they are missing."""

from __future__ import annotations

from typing import Final

from gristmill.shared.schedules.defaults import DefaultSchedule
from gristmill.shared.schedules.fire import FIRE_AT
from gristmill.tasks.records.aggregate_hour import aggregate_hour

SCHEDULES: Final = (
    DefaultSchedule(
        name="aggregate-hour", cron="0 * * * *", task=aggregate_hour, args={"before": FIRE_AT}, catch_up="all"
    ),
)
