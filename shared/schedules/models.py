"""Schedules and their fires."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt


class Schedule(Base):
    """A rule that enqueues a job whenever it is due: a cron expression in a time zone, or a period in seconds."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(primary_key=True)
    cron: Mapped[str | None]
    every: Mapped[float | None]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    task: Mapped[str]
    args: Mapped[dict[str, Any]]
    catch_up: Mapped[str] = mapped_column(server_default="last")
    overlap: Mapped[str] = mapped_column(server_default="allow")
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    next_fire_at: Mapped[datetime]
    # It comes with the code, which may change it as long as nobody has by hand.
    from_code: Mapped[bool] = mapped_column(server_default=text("false"))
    changed_by: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("(cron IS NULL) <> (every IS NULL)", name="cron_or_every"),
        CheckConstraint("every >= 1", name="every_second_at_most"),
        CheckConstraint("catch_up IN ('none', 'last', 'all')", name="catch_up"),
        CheckConstraint("overlap IN ('skip', 'allow')", name="overlap"),
        Index("ix_schedules_due", "next_fire_at", postgresql_where=text("enabled")),
    )


class Fire(Base):
    """One time that a schedule was due or was run by hand, and its job (none, when `overlap: skip` left it out)."""

    __tablename__ = "fires"

    schedule: Mapped[str] = mapped_column(ForeignKey("gristmill.schedules.name", ondelete="CASCADE"), primary_key=True)
    fire_at: Mapped[datetime] = mapped_column(primary_key=True)
    job_id: Mapped[UUID | None]
    cause: Mapped[str] = mapped_column(server_default="due")
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        CheckConstraint("cause IN ('due', 'run', 'backfill')", name="cause"),
        # For `overlap: skip`, which may leave out many in a row.
        Index("ix_fires_with_a_job", "schedule", "fire_at", postgresql_where=text("job_id IS NOT NULL")),
    )
