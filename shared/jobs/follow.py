"""Request a notification of the end of a job: a mark on its row, which the move that ends it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from gristmill.shared.states import FINAL, sql_list

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

_REQUEST_NOTIFICATION = text(
    f"""
    UPDATE gristmill.jobs
    SET watched_until = greatest(watched_until, statement_timestamp() + :seconds * interval '1 second')
    WHERE id = :id AND state NOT IN ({sql_list(FINAL)})
    RETURNING id
    """
)


def request_notification(session: Session, job_id: UUID, *, seconds: float) -> bool:
    """Request a notification on `gristmill.shared.jobs.move_statement.MOVED_CHANNEL` if a job moves within `seconds`.

    Returns:
        False when the job has ended already or does not exist: there will be no notification.
    """
    return session.execute(_REQUEST_NOTIFICATION, {"id": job_id, "seconds": seconds}).scalar_one_or_none() is not None
