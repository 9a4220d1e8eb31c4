"""Tasks that running workers know, as they report it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# A worker of a version that reports no tasks may know any: nothing is said of its queue.
_KNOWN: Final = text(
    """
    SELECT queue, array_agg(DISTINCT task) AS tasks
    FROM gristmill.process_reports LEFT JOIN LATERAL unnest(tasks) AS task ON true
    WHERE kind = 'worker' AND stopped_at IS NULL AND seen_at > statement_timestamp() - interval '1 minute'
    GROUP BY queue HAVING bool_and(tasks IS NOT NULL)
    """
)


def list_known_tasks(session: Session) -> dict[str, frozenset[str]]:
    """Return the tasks that the workers of the last minute know, by the queue that they consume."""
    return {row.queue: frozenset(row.tasks) - {None} for row in session.execute(_KNOWN)}
