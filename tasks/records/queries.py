"""Write records and the measurements taken from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import RowMapping
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record and its outcome, to be written.

    Attributes:
        errors: by path; a record with errors is failed, one with None completed.
        occurred_at: the time of the event; None means the time at which the job was accepted.
    """

    id: UUID
    job_id: UUID
    stream: str
    data: Mapping[str, Any]
    errors: Mapping[str, Any] | None
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record after the write.

    Attributes:
        is_new: this call wrote the record; otherwise it was processed before and is unchanged.
        same: the record that was processed before has the same stream and data.
    """

    status: str
    errors: Any
    occurred_at: datetime
    is_new: bool
    same: bool


_WRITE = text(
    """
    WITH given AS (
        SELECT r.id, r.stream, r.data, r.errors, r.job_id,
               CASE WHEN r.errors IS NULL THEN 'completed' ELSE 'failed' END AS status,
               coalesce(r.occurred_at, jobs.created_at, statement_timestamp()) AS occurred_at
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
            id uuid, job_id uuid, stream text, data jsonb, errors jsonb, occurred_at timestamptz)
        LEFT JOIN gristmill.jobs ON jobs.id = r.job_id
    )
    INSERT INTO gristmill.records (id, stream, data, status, errors, job_id, occurred_at, processed_at)
    SELECT id, stream, data, status, errors, job_id, occurred_at, clock_timestamp() FROM given
    ON CONFLICT (id) DO UPDATE
    SET data = excluded.data, status = excluded.status, errors = excluded.errors, job_id = excluded.job_id,
        occurred_at = excluded.occurred_at, processed_at = excluded.processed_at
    WHERE records.status IN ('pending', 'processing') AND records.stream = excluded.stream
    RETURNING id, status, errors, occurred_at, true AS is_new, true AS same
    """
)
_FIND_PROCESSED = text(
    """
    SELECT records.id, records.status, records.errors, records.occurred_at, false AS is_new,
           records.stream = r.stream AND records.data = r.data AS same
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, stream text, data jsonb)
    JOIN gristmill.records ON records.id = r.id
    """
)


def write_records(session: Session, new: Sequence[NewRecord]) -> dict[UUID, Written]:
    """Write the outcomes of records, each once: a record that was processed before stays unchanged.

    Returns:
        The records after the write, by id.

    Raises:
        sqlalchemy.exc.DBAPIError: a record is given twice.
    """
    if not new:
        return {}
    found = session.execute(_WRITE, {"rows": orjson.dumps(new).decode()}).mappings()
    written = {row["id"]: _written(row) for row in found}
    rest = [record for record in new if record.id not in written]
    if rest:
        found = session.execute(_FIND_PROCESSED, {"rows": orjson.dumps(rest).decode()}).mappings()
        written |= {row["id"]: _written(row) for row in found}
    return written


def _written(row: RowMapping) -> Written:
    return Written(**{name: value for name, value in row.items() if name != "id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The measures of one record: numbers by path, with the dimensions that group them."""

    record_id: UUID
    stream: str
    values: Mapping[str, float]
    dimensions: Mapping[str, Any]
    occurred_at: datetime


_MEASURE = text(
    """
    INSERT INTO gristmill.measurements (record_id, stream, measure, value, dimensions, occurred_at)
    SELECT r.record_id, r.stream, one.key, CAST(one.value AS double precision), r.dimensions, r.occurred_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
            record_id uuid, stream text, "values" jsonb, dimensions jsonb, occurred_at timestamptz),
         jsonb_each_text(r."values") AS one
    ON CONFLICT (record_id, measure) DO NOTHING
    """
)


def insert_measurements(session: Session, measured: Sequence[Measured]) -> None:
    """Write the measures of records, by one statement."""
    if measured:
        session.execute(_MEASURE, {"rows": orjson.dumps(measured).decode()})
