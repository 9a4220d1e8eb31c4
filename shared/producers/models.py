"""Producers, their API keys and the secrets that their callbacks are signed with."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey


class Producer(Base):
    """An application that posts jobs."""

    __tablename__ = "producers"

    id: Mapped[PrimaryKey]
    name: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    allowed_tasks: Mapped[list[str] | None]
    quota: Mapped[int | None]
    rate: Mapped[float | None]
    burst: Mapped[int | None]
    sees_payloads: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("quota > 0", name="quota"),
        CheckConstraint("rate > 0", name="rate"),
        CheckConstraint("burst IS NULL OR (burst > 0 AND rate IS NOT NULL)", name="burst"),
    )


class ApiKey(Base):
    """One key of a producer: its public id, and the SHA-256 of its 256-bit secret."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    producer_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.producers.id", ondelete="CASCADE"))
    secret_hash: Mapped[bytes]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_api_keys_producer", "producer_id"),)


class WebhookSecret(Base):
    """A secret that a producer's callbacks are signed with, sealed; without an end it is the current one."""

    __tablename__ = "webhook_secrets"

    id: Mapped[PrimaryKey]
    producer_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.producers.id", ondelete="CASCADE"))
    sealed: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_webhook_secrets_producer", "producer_id"),
        Index("uq_webhook_secrets_current", "producer_id", unique=True, postgresql_where=text("expires_at IS NULL")),
    )
