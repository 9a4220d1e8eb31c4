"""Begin, mark and list notifications, one row for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from gristmill.tasks.notifications.models import Notification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def begin_notifications(
    session: Session,
    *,
    job_id: UUID,
    targets: Mapping[str, str | None],
    user_id: UUID | None,
    title: str,
    body: str,
    data: Mapping[str, Any],
) -> dict[str, str]:
    """Insert the missing rows of a job's notification.

    Args:
        targets: the address of each channel; None when the channel delivers to the user.

    Returns:
        The reply of each channel that has delivered already: do not deliver there again.
    """
    rows = [
        {
            "job_id": job_id,
            "channel": channel,
            "user_id": user_id,
            "title": title,
            "body": body,
            "data": dict(data),
            "target": target,
        }
        for channel, target in targets.items()
    ]
    session.execute(insert(Notification).on_conflict_do_nothing(constraint="uq_notifications_job_channel"), rows)
    delivered = session.execute(
        select(Notification.channel, Notification.reply).where(
            Notification.job_id == job_id, Notification.status == "delivered"
        )
    )
    return {row.channel: row.reply or "" for row in delivered}


def mark_delivered(session: Session, job_id: UUID, channel: str, *, reply: str) -> None:
    """Record that a channel delivered, with the reply of the receiver."""
    session.execute(
        update(Notification)
        .where(Notification.job_id == job_id, Notification.channel == channel)
        .values(status="delivered", reply=reply, delivered_at=func.clock_timestamp())
    )


def mark_refused(session: Session, job_id: UUID, channel: str, *, reply: str) -> None:
    """Record that the receiver refused the notification for good, with the reason."""
    session.execute(
        update(Notification)
        .where(Notification.job_id == job_id, Notification.channel == channel, Notification.status != "delivered")
        .values(status="refused", reply=reply)
    )


def list_notifications(session: Session, job_id: UUID) -> Sequence[Notification]:
    """Return the rows of one job, ordered by channel."""
    query = select(Notification).where(Notification.job_id == job_id).order_by(Notification.channel)
    return session.scalars(query).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class InAppNotice:
    """A notification for a person to read, and the job that writes it."""

    id: UUID
    job_id: UUID
    user_id: UUID
    title: str
    body: str
    data: Mapping[str, Any]


_WRITE_IN_APP = text(
    """
    WITH wanted AS (
        SELECT r.* FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
            id uuid, job_id uuid, user_id uuid, title text, body text, data jsonb)
        JOIN gristmill.users ON users.id = r.user_id AND users.deleted_at IS NULL
    ), written AS (
        INSERT INTO gristmill.notifications (id, job_id, channel, user_id, title, body, data, status, reply,
                                             delivered_at)
        SELECT id, job_id, 'in_app', user_id, title, body, data, 'delivered', 'stored', clock_timestamp() FROM wanted
        ON CONFLICT ON CONSTRAINT uq_notifications_job_channel DO NOTHING
    )
    SELECT job_id FROM wanted
    """
)


def write_in_app(session: Session, notices: Sequence[InAppNotice]) -> set[UUID]:
    """Write notifications, one for each job, by one statement.

    Returns:
        The jobs whose user exists and is not deleted.
    """
    return set(session.execute(_WRITE_IN_APP, {"rows": orjson.dumps(notices).decode()}).scalars())
