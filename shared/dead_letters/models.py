"""The table of dead letters: jobs that ended without success, and messages that never were a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey
from gristmill.shared.jobs.models import Job


class DeadLetter(Base):
    """A job's end without success. It is open until it is redriven or discarded, and is kept afterwards."""

    __tablename__ = "dead_letters"

    id: Mapped[PrimaryKey]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("gristmill.jobs.id", ondelete="CASCADE"))
    task: Mapped[str | None]
    queue: Mapped[str]
    reason: Mapped[str]
    error_type: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    traceback: Mapped[str | None]
    fingerprint: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="0")
    raw_body: Mapped[bytes | None]
    broker: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt]
    resolution: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    note: Mapped[str | None]

    # For conditions and joins only: load the job itself where it is needed.
    job: Mapped[Job | None] = relationship(viewonly=True, lazy="raise")

    __table_args__ = (
        CheckConstraint("resolution IN ('redriven', 'discarded')", name="resolution"),
        CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name="resolved_has_a_time"),
        Index("uq_dead_letters_open_job", "job_id", unique=True, postgresql_where=text("resolution IS NULL")),
        Index("ix_dead_letters_open", "queue", "task", "fingerprint", postgresql_where=text("resolution IS NULL")),
        Index("ix_dead_letters_open_age", "created_at", "id", postgresql_where=text("resolution IS NULL")),
        Index("ix_dead_letters_open_reason", "reason", "created_at", "id", postgresql_where=text("resolution IS NULL")),
        Index("ix_dead_letters_age", "created_at", "id"),
        Index(
            "ix_dead_letters_resolved",
            "resolution",
            "created_at",
            "id",
            postgresql_where=text("resolution IS NOT NULL"),
        ),
        Index("ix_dead_letters_job", "job_id"),
    )
