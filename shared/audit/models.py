"""The log of what operators and producers did by hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey


class AuditEntry(Base):
    """Who did what to what, and when."""

    __tablename__ = "audit_log"

    id: Mapped[PrimaryKey]
    at: Mapped[CreatedAt]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]]

    __table_args__ = (Index("ix_audit_log_subject", "subject", "id"),)
