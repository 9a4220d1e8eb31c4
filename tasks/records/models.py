"""Streams of records, the measures taken from them, and their hourly statistics."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey, new_metadata


class RecordTables(Base):
    """Base of the tables of this plugin."""

    __abstract__ = True
    metadata = new_metadata()


class Stream(RecordTables):
    """A kind of record: the JSON Schema its data must fit, and which of its fields are measures and dimensions."""

    __tablename__ = "streams"

    name: Mapped[str] = mapped_column(primary_key=True)
    json_schema: Mapped[dict[str, Any]]
    measures: Mapped[list[str]]
    dimensions: Mapped[list[str]]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class Record(RecordTables):
    """One record as it was received, and its outcome."""

    __tablename__ = "records"

    id: Mapped[PrimaryKey]
    stream: Mapped[str] = mapped_column(ForeignKey("gristmill.streams.name"))
    data: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="pending")
    errors: Mapped[Any | None]
    job_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    processed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('pending', 'processing', 'completed', 'failed')", name="status"),
        Index("ix_records_stream", "stream", "occurred_at"),
    )


class Measurement(RecordTables):
    """One number taken from a record, with the record's dimensions beside it."""

    __tablename__ = "measurements"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    record_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.records.id", ondelete="CASCADE"))
    stream: Mapped[str]
    measure: Mapped[str]
    value: Mapped[float]
    dimensions: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]

    __table_args__ = (
        Index("uq_measurements_record", "record_id", "measure", unique=True),
        Index("ix_measurements_time", "occurred_at"),
    )


class AggregatedStat(RecordTables):
    """Count, sum, mean, extremes and percentiles of one measure in one hour, for one set of dimensions."""

    __tablename__ = "aggregated_stats"

    stream: Mapped[str] = mapped_column(primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    dimensions_key: Mapped[str] = mapped_column(primary_key=True)
    dimensions: Mapped[dict[str, Any]]
    count: Mapped[int] = mapped_column(BigInteger)
    sum: Mapped[float]
    avg: Mapped[float]
    min: Mapped[float]
    max: Mapped[float]
    p50: Mapped[float]
    p95: Mapped[float]
    computed_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_aggregated_stats_bucket", "bucket"),)
