"""Notifications, one row a channel: the entry that a person reads, and the ledger of what was delivered."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class InAppNotice:
    """An entry that a person is to read, and the job that writes it."""

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
        JOIN users ON users.id = r.user_id AND users.deleted_at IS NULL
    ), written AS (
        INSERT INTO notifications (id, job_id, channel, user_id, title, body, data, status, reply, delivered_at)
        SELECT id, job_id, 'in_app', user_id, title, body, data, 'delivered', 'stored', clock_timestamp() FROM wanted
        ON CONFLICT ON CONSTRAINT uq_notifications_job_channel DO NOTHING
    )
    SELECT job_id FROM wanted
    """
)


def write_in_app(session: Session, notices: Sequence[InAppNotice]) -> set[UUID]:
    """Write in-app entries, once a job, by one statement. Returns the jobs whose user exists and is not deleted."""
    return set(session.execute(_WRITE_IN_APP, {"rows": orjson.dumps(notices).decode()}).scalars())
