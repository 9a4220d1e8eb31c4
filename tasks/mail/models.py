"""The ledger of mails: one row each, so that repeating a delivery is harmless."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey, new_metadata


class MailTables(Base):
    """Base of the tables of this plugin."""

    __abstract__ = True
    metadata = new_metadata()


class EmailMessageRow(MailTables):
    """One mail. `sent_at` is set once a server has accepted it; its job does not send it again."""

    __tablename__ = "email_messages"

    id: Mapped[PrimaryKey]
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
