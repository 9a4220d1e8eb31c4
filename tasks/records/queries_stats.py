"""Compute the hourly statistics of all streams."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LAST_FULL_HOUR = text(
    """
    SELECT date_trunc('hour', coalesce((SELECT created_at FROM gristmill.jobs
        WHERE id = :job_id), clock_timestamp()), 'UTC')
           - interval '1 hour'
    """
)
_START_OF_HOUR = text("SELECT date_trunc('hour', CAST(:at AS timestamptz), 'UTC')")

# Grouped by the text of the dimensions, which is the key: equal jsonb values may differ in text (1 and 1.0). Written
# in the order of the key, so that two runs of one hour wait for each other instead of deadlocking.
_AGGREGATE = text(
    """
    WITH computed AS (
        SELECT stream, measure, CAST(dimensions AS text) AS dimensions_key, count(*) AS count, sum(value) AS sum,
               avg(value) AS avg, min(value) AS min, max(value) AS max,
               percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY value) AS percentiles
        FROM gristmill.measurements
        WHERE occurred_at >= :hour AND occurred_at < CAST(:hour AS timestamptz) + interval '1 hour'
        GROUP BY stream, measure, CAST(dimensions AS text)
    ), written AS (
        INSERT INTO gristmill.aggregated_stats (stream, measure, bucket, dimensions_key, dimensions, count, sum, avg,
                                      min, max, p50, p95, computed_at)
        SELECT stream, measure, :hour, dimensions_key, CAST(dimensions_key AS jsonb), count, sum, avg, min, max,
               percentiles[1], percentiles[2], clock_timestamp()
        FROM computed ORDER BY computed.stream, computed.measure, computed.dimensions_key
        ON CONFLICT (stream, measure, bucket, dimensions_key) DO UPDATE
        SET dimensions = excluded.dimensions, count = excluded.count, sum = excluded.sum, avg = excluded.avg,
            min = excluded.min, max = excluded.max, p50 = excluded.p50, p95 = excluded.p95,
            computed_at = excluded.computed_at
        RETURNING 1
    )
    SELECT count(*) FROM written
    """
)


def find_last_full_hour(session: Session, job_id: UUID) -> datetime:
    """Return the start of the last full hour before the job was accepted (before now, when there is no such job)."""
    hour: datetime = session.execute(_LAST_FULL_HOUR, {"job_id": job_id}).scalar_one()
    return hour


def aggregate_hour(session: Session, at: datetime) -> tuple[datetime, int]:
    """Compute the statistics of the hour (UTC) that holds `at` from its measurements, by one statement.

    Count, sum, mean, extremes, median and 95th percentile (interpolated, as `percentile_cont` does) of each measure of
    each stream, for each set of dimensions.

    Returns:
        The start of the hour, and the number of rows written.
    """
    hour: datetime = session.execute(_START_OF_HOUR, {"at": at}).scalar_one()
    return hour, int(session.execute(_AGGREGATE, {"hour": hour}).scalar_one())
