"""The table of tasks, by which the database itself can check a job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt


class DeclaredTask(Base):
    """A task as the last process wrote it that has started with it. A task that is gone from the code stays."""

    __tablename__ = "tasks"

    name: Mapped[str] = mapped_column(primary_key=True)
    # None for the tasks of the platform itself.
    plugin: Mapped[str | None]
    # The version of the distribution that brings the task, where it has one.
    version: Mapped[str | None]
    queue: Mapped[str]
    time_to_live: Mapped[timedelta | None]
    # The queue of its jobs with priority high.
    priority_queue: Mapped[str]
    priority_time_to_live: Mapped[timedelta | None]
    max_attempts: Mapped[int]
    internal: Mapped[bool]
    # By name: {"types": ["string", "null"], "required": true, "secret": true}; what is false is left out.
    arguments: Mapped[dict[str, Any]]
    changed_at: Mapped[CreatedAt]
    # When a process with this task has last started, to the hour.
    declared_at: Mapped[CreatedAt]
