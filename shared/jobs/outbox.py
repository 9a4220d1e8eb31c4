"""Take due hints from the outbox, and find the time of the next one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.database.direct import Direct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


class Due(NamedTuple):
    """A due hint: the job, its task, its queue, and whether that queue is paused."""

    id: int
    job_id: UUID
    task: str
    queue: str
    due_at: datetime
    alone: bool
    revivals: int
    paused: bool


# statement_timestamp() and not clock_timestamp(): a volatile function cannot bound an index scan, so that the hints of
# all scheduled jobs would be read each time.
# ARRAY(…) and not IN (…): the planner may execute a sub-select with LIMIT once for each row, and take all rows.
_TAKE_DUE = Direct(
    text(
        f"""
    WITH taken AS (
        DELETE FROM gristmill.outbox WHERE id = ANY(ARRAY(
            SELECT id FROM gristmill.outbox WHERE due_at <= statement_timestamp()
              AND queue <> ALL(CAST(:without AS text[]))
            ORDER BY due_at, job_id LIMIT :limit FOR UPDATE SKIP LOCKED))
        RETURNING *
    )
    SELECT {", ".join(Due._fields[:-1])},
           queue = ANY(ARRAY(SELECT queue FROM gristmill.queue_controls WHERE paused_at IS NOT NULL)) AS paused
    FROM taken ORDER BY due_at, job_id
    """
    )
)


def take_due(session: Session, *, limit: int, without: Sequence[str] = ()) -> list[Due]:
    """Delete and return up to `limit` due hints, oldest first. The caller's commit makes it final.

    Args:
        without: queues whose hints stay. They should have only few due hints, because each call reads all of those.
    """
    return [Due._make(row) for row in _TAKE_DUE.rows(session, {"limit": limit, "without": list(without)})]


_NEXT_DUE = text(
    """
    SELECT extract(epoch FROM due_at - clock_timestamp()) FROM gristmill.outbox WHERE queue <> ALL(:without)
    ORDER BY due_at LIMIT 1
    """
)


def seconds_to_next(session: Session, *, without: Sequence[str] = ()) -> float | None:
    """Return the seconds until the next hint is due, 0 or less when one is due now, None when there is none.

    Args:
        without: queues whose hints do not count.
    """
    seconds = session.execute(_NEXT_DUE, {"without": list(without)}).scalar_one_or_none()
    return None if seconds is None else float(seconds)


_COUNT_DUE = text("SELECT count(*) FROM gristmill.outbox WHERE due_at <= statement_timestamp()")


def count_due(session: Session) -> int:
    """Return the number of due hints that are not yet published."""
    return int(session.execute(_COUNT_DUE).scalar_one())
