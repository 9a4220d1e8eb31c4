"""Write the tasks of this process into the table by which the database checks jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import text

from gristmill.shared.database.rows import rows_moved

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_TERMS: Final = (
    "plugin, version, queue, time_to_live, priority_queue, priority_time_to_live, max_attempts, internal, arguments"
)


def _columns_of(table: str) -> str:
    return ", ".join(f"{table}.{column}" for column in _TERMS.split(", "))


# A start that changes nothing writes nothing, except that the task is still declared, once an hour.
# In the order of the names: two processes that start wait for each other instead of deadlocking.
_DECLARE = text(
    f"""
    INSERT INTO gristmill.tasks AS known (name, {_TERMS})
    SELECT name, {_TERMS}
    FROM jsonb_to_recordset(CAST(:tasks AS jsonb)) AS declared(
        name text, plugin text, version text, queue text, time_to_live interval, priority_queue text,
        priority_time_to_live interval, max_attempts int, internal boolean, arguments jsonb)
    ORDER BY name
    ON CONFLICT (name) DO UPDATE
    SET ({_TERMS}) = ROW ({_columns_of("excluded")}),
        changed_at = CASE WHEN ({_columns_of("known")}) IS DISTINCT FROM ({_columns_of("excluded")})
                     THEN excluded.changed_at ELSE known.changed_at END,
        declared_at = excluded.declared_at
    WHERE ({_columns_of("known")}) IS DISTINCT FROM ({_columns_of("excluded")})
          OR known.declared_at < excluded.declared_at - interval '1 hour'
    """
)


def write_tasks(session: Session, tasks: Sequence[dict[str, Any]]) -> int:
    """Write tasks, and return how many were new, had changed, or had last been written an hour ago.

    Args:
        tasks: made by `gristmill.shared.enqueuing.declaration.describe`.
    """
    return rows_moved(session.execute(_DECLARE, {"tasks": orjson.dumps(tasks).decode()}))
