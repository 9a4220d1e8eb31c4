"""Notifications, one row a channel: the entry that a person reads, and the ledger of what was delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.models.messages import Notification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Write the rows of a job's notification that are not there yet.

    Args:
        targets: for each channel, where it delivers to (None where the user says it).

    Returns:
        The reply of each channel that has delivered before: do not deliver there again.
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
    """Write down that a channel delivered, and what the other side answered."""
    session.execute(
        update(Notification)
        .where(Notification.job_id == job_id, Notification.channel == channel)
        .values(status="delivered", reply=reply, delivered_at=func.clock_timestamp())
    )


def mark_refused(session: Session, job_id: UUID, channel: str, *, reply: str) -> None:
    """Write down that the other side will never take it, and why."""
    session.execute(
        update(Notification)
        .where(Notification.job_id == job_id, Notification.channel == channel, Notification.status != "delivered")
        .values(status="refused", reply=reply)
    )


def list_notifications(session: Session, job_id: UUID) -> Sequence[Notification]:
    """Return the rows of one job, by channel."""
    query = select(Notification).where(Notification.job_id == job_id).order_by(Notification.channel)
    return session.scalars(query).all()
