"""What was said to people: mails and notifications, one row each, the ledger that makes repeating harmless."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, CreatedAt, Key


class EmailMessageRow(Base):
    """One mail. `sent_at` is set once a server took it; a job whose mail was taken does not send it again."""

    __tablename__ = "email_messages"

    id: Mapped[Key]
    job_id: Mapped[UUID] = mapped_column(unique=True)
    message_id: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    template: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="sending")
    smtp_reply: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('sending', 'sent', 'refused')", name="status"),
        Index("ix_email_messages_recipient", "recipient", "id"),
    )


class Notification(Base):
    """One notification on one channel: an in-app entry, or the ledger row of a delivery to the outside."""

    __tablename__ = "notifications"

    id: Mapped[Key]
    job_id: Mapped[UUID]
    channel: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
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
