"""Feature flags, and the effects of the demo tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, CreatedAt


class FeatureFlag(Base):
    """A switch that operators turn without a deployment."""

    __tablename__ = "feature_flags"

    name: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    rules: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    updated_at: Mapped[CreatedAt]
    updated_by: Mapped[str | None]


class DemoEffect(Base):
    """A row of `demo.effect`: without a unique key on purpose, so that doing it twice can be counted."""

    __tablename__ = "demo_effects"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str]
    job_id: Mapped[UUID]
    attempt: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))

    __table_args__ = (Index("ix_demo_effects_key", "key"),)
