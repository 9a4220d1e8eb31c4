"""What the platform's processes say of themselves, at a slow pace."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, CreatedAt


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
    jobs_a_minute: Mapped[int] = mapped_column(server_default="0")

    __table_args__ = (
        CheckConstraint("kind IN ('relay', 'worker', 'beat', 'maintenance')", name="kind"),
        CheckConstraint("(trouble IS NULL) = (trouble_since IS NULL)", name="trouble_has_a_time"),
    )
