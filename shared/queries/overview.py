"""Lists for people who look at the platform: queues, dead letters, schedules, keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from shared.models.producers import ApiKey, Producer
from shared.models.schedules import Schedule
from shared.queues import QUEUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

# Live rows and open letters only, both from their partial indexes: the cost does not grow with history.
_QUEUES = text(
    """
    SELECT names.queue, coalesce(live.scheduled, 0) AS scheduled, coalesce(live.ready, 0) AS ready,
           coalesce(live.retrying, 0) AS retrying, coalesce(live.running, 0) AS running,
           live.oldest_seconds, coalesce(letters.dead, 0) AS dead
    FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS names(queue, position)
    LEFT JOIN (
        SELECT queue,
               count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
               count(*) FILTER (WHERE state = 'queued') AS ready,
               count(*) FILTER (WHERE state = 'retrying') AS retrying,
               count(*) FILTER (WHERE state = 'running') AS running,
               extract(epoch FROM clock_timestamp() - min(run_at) FILTER (WHERE state = 'queued')) AS oldest_seconds
        FROM jobs WHERE state IN ('scheduled', 'queued', 'running', 'retrying') GROUP BY queue
    ) live ON live.queue = names.queue
    LEFT JOIN (
        SELECT queue, count(*) AS dead FROM dead_letters WHERE resolution IS NULL GROUP BY queue
    ) letters ON letters.queue = names.queue
    ORDER BY names.position
    """
)


def list_queues(session: Session) -> list[dict[str, Any]]:
    """Return what waits, runs and is dead in each queue; `oldest_seconds` is how long the first in line has waited."""
    rows = session.execute(_QUEUES, {"names": list(QUEUES)}).mappings()
    return [
        {**row, "oldest_seconds": None if row["oldest_seconds"] is None else round(float(row["oldest_seconds"]), 1)}
        for row in rows
    ]


def list_schedules(session: Session, *, limit: int, after: str = "") -> Sequence[Schedule]:
    """Return at most `limit` schedules by name; `after` is the last name of a page."""
    return session.scalars(select(Schedule).where(Schedule.name > after).order_by(Schedule.name).limit(limit)).all()


def list_all_keys(session: Session, *, limit: int, before: datetime | None = None) -> list[tuple[Producer, ApiKey]]:
    """Return at most `limit` keys with their producers, newest first; `before` is the last created_at of a page."""
    query = (
        select(Producer, ApiKey)
        .join(ApiKey, ApiKey.producer_id == Producer.id)
        .order_by(ApiKey.created_at.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(ApiKey.created_at < before)
    return [(row[0], row[1]) for row in session.execute(query)]
