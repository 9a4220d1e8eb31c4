"""The table of the demo tasks' effects."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, new_metadata


class DemoTables(Base):
    """Base of the tables of this plugin."""

    __abstract__ = True
    metadata = new_metadata()


class DemoEffect(DemoTables):
    """A row of `demo.effect`: without a unique key on purpose, so that a repeated effect is counted."""

    __tablename__ = "demo_effects"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str]
    job_id: Mapped[UUID]
    attempt: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))

    __table_args__ = (Index("ix_demo_effects_key", "key"),)
