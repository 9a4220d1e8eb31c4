"""Tables of operating: paused queues and their hints, queue counts, reports of processes, feature flags."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt


class QueueControl(Base):
    """A queue that is paused, or was: since when, by whom and why."""

    __tablename__ = "queue_controls"

    queue: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]
    pause_reason: Mapped[str | None]
    # When hints that were held went back to the outbox: until then the queue's order says nothing about lost hints.
    released_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("(paused_at IS NULL) = (paused_by IS NULL)", name="paused_by_somebody"),)


class QueueCount(Base):
    """The jobs and open letters of a long queue, counted one by one at a slow pace."""

    __tablename__ = "queue_counts"

    queue: Mapped[str] = mapped_column(primary_key=True)
    ready: Mapped[int] = mapped_column(BigInteger)
    scheduled: Mapped[int] = mapped_column(BigInteger)
    retrying: Mapped[int] = mapped_column(BigInteger)
    running: Mapped[int] = mapped_column(BigInteger)
    dead: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime]


class HeldHint(Base):
    """The hint of a job whose queue is paused, out of the way of those that are to be published."""

    __tablename__ = "held_hints"

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    task: Mapped[str]
    queue: Mapped[str]
    due_at: Mapped[datetime]
    alone: Mapped[bool]
    revivals: Mapped[int]
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_held_hints_due", "queue", "due_at", "job_id"),
        Index("ix_held_hints_expiry", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )


class ProcessReport(Base):
    """One process: when it was last heard of, when it last did its work, and what is in its way."""

    __tablename__ = "process_reports"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    queue: Mapped[str | None]
    started_at: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]
    # Its work: hints published, jobs begun, schedules fired.
    acted_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    # What keeps it from the broker, None when nothing does.
    trouble: Mapped[str | None]
    trouble_since: Mapped[datetime | None]
    children: Mapped[int] = mapped_column(server_default="1")
    # The tasks that it knows; None for a process of a version that did not report them.
    tasks: Mapped[list[str] | None]
    jobs_a_minute: Mapped[int] = mapped_column(server_default="0")

    __table_args__ = (
        CheckConstraint("kind IN ('relay', 'worker', 'beat', 'maintenance')", name="kind"),
        CheckConstraint("(trouble IS NULL) = (trouble_since IS NULL)", name="trouble_has_a_time"),
    )


class FeatureFlag(Base):
    """A switch that operators turn without a deployment."""

    __tablename__ = "feature_flags"

    name: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    rules: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    updated_at: Mapped[CreatedAt]
    updated_by: Mapped[str | None]
