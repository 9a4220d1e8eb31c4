"""The outbox: take the hints that are due, and know when the next one is."""

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
    """One hint that is due: which job, of which task, through which queue, and whether that is paused."""

    id: int
    job_id: UUID
    task: str
    queue: str
    due_at: datetime
    alone: bool
    revivals: int
    paused: bool


# statement_timestamp() and not clock_timestamp(): a volatile function cannot bound an index scan, and the hints of
# all scheduled jobs would be read each time.
# ARRAY(…) and not IN (…): the planner may run a sub-select with LIMIT again for each row, and take them all.
_TAKE_DUE = Direct(
    text(
        f"""
    WITH taken AS (
        DELETE FROM outbox WHERE id = ANY(ARRAY(
            SELECT id FROM outbox WHERE due_at <= statement_timestamp() AND queue <> ALL(CAST(:without AS text[]))
            ORDER BY due_at, job_id LIMIT :limit FOR UPDATE SKIP LOCKED))
        RETURNING *
    )
    SELECT {", ".join(Due._fields[:-1])},
           queue = ANY(ARRAY(SELECT queue FROM queue_controls WHERE paused_at IS NOT NULL)) AS paused
    FROM taken ORDER BY due_at, job_id
    """
    )
)


def take_due(session: Session, *, limit: int, without: Sequence[str] = ()) -> list[Due]:
    """Take up to `limit` hints that are due, oldest first. They are gone for good only when the caller commits.

    Args:
        without: queues whose hints stay; a few of them at most are due, or each call reads them all.
    """
    return [Due._make(row) for row in _TAKE_DUE.rows(session, {"limit": limit, "without": list(without)})]


_NEXT_DUE = text(
    """
    SELECT extract(epoch FROM due_at - clock_timestamp()) FROM outbox WHERE queue <> ALL(:without)
    ORDER BY due_at LIMIT 1
    """
)


def seconds_to_next(session: Session, *, without: Sequence[str] = ()) -> float | None:
    """Return how many seconds from now the next hint of other queues than `without` is due, None when there is none.

    It is due when they are 0 or less.
    """
    seconds = session.execute(_NEXT_DUE, {"without": list(without)}).scalar_one_or_none()
    return None if seconds is None else float(seconds)


_COUNT_DUE = text("SELECT count(*) FROM outbox WHERE due_at <= statement_timestamp()")


def count_due(session: Session) -> int:
    """Return how many hints are due and not yet published."""
    return int(session.execute(_COUNT_DUE).scalar_one())
