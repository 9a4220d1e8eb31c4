"""The plugin of records: they are checked, measured, and aggregated each hour."""

from __future__ import annotations

from typing import Final

from gristmill.shared.plugins.plugin import Plugin
from gristmill.shared.schedules.declaration import FIRE_AT, Schedule

plugin: Final = Plugin(
    name="records",
    tasks=["gristmill.tasks.records.process_record", "gristmill.tasks.records.aggregate_hour"],
    schedules=[
        Schedule(
            "aggregate-hour",
            cron="0 * * * *",
            task="processing.aggregate_hour",
            args={"before": FIRE_AT},
            catch_up="all",
        )
    ],
    metadata="gristmill.tasks.records.models:RecordTables.metadata",
    migrations="gristmill.tasks.records:migrations",
)
