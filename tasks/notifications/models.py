"""Notifications: one row for each channel, a ledger that makes repeating a delivery harmless."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey, new_metadata
from gristmill.shared.people.models import User


class NotificationTables(Base):
    """Base of the tables of this plugin."""

    __abstract__ = True
    metadata = new_metadata()


class Notification(NotificationTables):
    """One notification on one channel: an in-app entry, or the ledger row of a delivery to the outside."""

    __tablename__ = "notifications"

    id: Mapped[PrimaryKey]
    job_id: Mapped[UUID]
    channel: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    title: Mapped[str]
    body: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    target: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    reply: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("job_id", "channel", name="uq_notifications_job_channel"),
        CheckConstraint("status IN ('pending', 'delivered', 'refused')", name="status"),
        Index("ix_notifications_unread", "user_id", "id", postgresql_where=text("read_at IS NULL")),
    )
