"""Who waits for the end of a job: a mark on its row, read by the move that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from gristmill.shared.states import FINAL, sql_list

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

_WATCH = text(
    f"""
    UPDATE jobs
    SET watched_until = greatest(watched_until, statement_timestamp() + :seconds * interval '1 second')
    WHERE id = :id AND state NOT IN ({sql_list(FINAL)})
    RETURNING id
    """
)


def watch(session: Session, job_id: UUID, *, seconds: float) -> bool:
    """Ask to be told on the channel of `gristmill.shared.jobs.move_statement` when a job ends within `seconds`.

    Returns:
        False when it has ended already, or is not there: nobody will be told.
    """
    return session.execute(_WATCH, {"id": job_id, "seconds": seconds}).scalar_one_or_none() is not None
