"""The table of the audit log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey


class AuditEntry(Base):
    """An act by a person or a producer: the actor, the action, its subject and the time."""

    __tablename__ = "audit_log"

    id: Mapped[PrimaryKey]
    at: Mapped[CreatedAt]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]]

    __table_args__ = (Index("ix_audit_log_subject", "subject", "id"),)
