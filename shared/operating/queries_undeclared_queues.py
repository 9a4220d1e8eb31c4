"""Queues in which jobs wait although the code does not declare them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gristmill.shared.queues import QUEUES
from gristmill.shared.states import LIVE, sql_list

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# One probe of the index for each queue, however many jobs wait in it.
_NEXT: Final = f"SELECT queue FROM gristmill.jobs WHERE state IN ({sql_list(LIVE)})"
_WITH_JOBS: Final = text(
    f"""
    WITH RECURSIVE names AS (
        ({_NEXT} ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT ({_NEXT} AND jobs.queue > names.queue ORDER BY queue LIMIT 1) FROM names WHERE names.queue IS NOT NULL
    )
    SELECT queue FROM names WHERE queue <> ALL(CAST(:declared AS text[])) LIMIT 100
    """
)


def list_undeclared_queues(session: Session) -> list[str]:
    """Return the queues with live jobs that no plugin of this process declares, by name."""
    return list(session.execute(_WITH_JOBS, {"declared": list(QUEUES)}).scalars())
