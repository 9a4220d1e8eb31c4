"""Compute the statistics of one hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from gristmill.shared.context import Context
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.records import queries_stats as stats


class AggregateHourArgs(Schema):
    """The hour to compute: the one that holds `hour`, or the last full hour before `before`.

    With neither, the last hour that was over when the job was accepted.
    """

    hour = fields.AwareDateTime(format="iso", load_default=None)
    before = fields.AwareDateTime(format="iso", load_default=None)

    @validates_schema
    def name_one_hour(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse `hour` and `before` together."""
        if data["hour"] is not None and data["before"] is not None:
            msg = "Give `hour` or `before`, not both."
            raise ValidationError(msg, "before")


@task(
    name="processing.aggregate_hour",
    queue="data_processing_queue",
    args=AggregateHourArgs,
    retry=RetryPolicy(max_attempts=5, first_delay=timedelta(seconds=10)),
    time_limit=timedelta(minutes=5),
    effects="database",
)
def aggregate_hour(
    ctx: Context, *, hour: datetime | None = None, before: datetime | None = None
) -> dict[str, str | int]:
    """Compute count, sum, mean, extremes, median and 95th percentile of every measure in one hour.

    Repeating is harmless: the hour is computed again from its measurements and its rows are replaced. An hour that
    received late records is corrected by a job with that `hour`.
    """
    if before is not None:
        at = before - timedelta(hours=1)
    else:
        at = hour if hour is not None else stats.find_last_full_hour(ctx.session, ctx.job_id)
    bucket, rows = stats.aggregate_hour(ctx.session, at)
    return {"hour": bucket.isoformat(), "buckets": rows}
