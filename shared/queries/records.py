"""Records and the measurements taken from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import text

from shared.models.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session


def find_record(session: Session, record_id: UUID) -> Record | None:
    """Return the record, or None."""
    return session.get(Record, record_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record as it now stands.

    Attributes:
        is_new: this call wrote it; otherwise it had been processed before and stays as it was.
        same: what was processed before was of the same stream and data.
    """

    status: str
    errors: Any
    occurred_at: datetime
    is_new: bool
    same: bool


_WRITE = text(
    """
    WITH given AS (
        SELECT CAST(:id AS uuid) AS id, CAST(:stream AS text) AS stream, CAST(:data AS jsonb) AS data,
               CAST(:status AS text) AS status, CAST(:errors AS jsonb) AS errors, CAST(:job_id AS uuid) AS job_id,
               coalesce(CAST(:occurred_at AS timestamptz),
                        (SELECT created_at FROM jobs WHERE jobs.id = CAST(:job_id AS uuid)),
                        statement_timestamp()) AS occurred_at
    ), written AS (
        INSERT INTO records (id, stream, data, status, errors, job_id, occurred_at, processed_at)
        SELECT id, stream, data, status, errors, job_id, occurred_at, clock_timestamp() FROM given
        ON CONFLICT (id) DO UPDATE
        SET data = excluded.data, status = excluded.status, errors = excluded.errors, job_id = excluded.job_id,
            occurred_at = excluded.occurred_at, processed_at = excluded.processed_at
        WHERE records.status IN ('pending', 'processing') AND records.stream = excluded.stream
        RETURNING status, errors, occurred_at
    )
    SELECT status, errors, occurred_at, true AS is_new, true AS same FROM written
    """
)
_EARLIER = text(
    """
    SELECT status, errors, occurred_at, false AS is_new, stream = :stream AND data = CAST(:data AS jsonb) AS same
    FROM records WHERE id = :id
    """
)


def write_record(
    session: Session,
    *,
    record_id: UUID,
    job_id: UUID,
    stream: str,
    data: Mapping[str, Any],
    status: str,
    errors: Mapping[str, Any] | None,
    occurred_at: datetime | None,
) -> Written:
    """Write a record's outcome, once: one that was processed before is left as it is.

    Args:
        occurred_at: when it happened; None is when its job was accepted.
    """
    values = {
        "id": record_id,
        "job_id": job_id,
        "stream": stream,
        "data": orjson.dumps(data).decode(),
        "status": status,
        "errors": None if errors is None else orjson.dumps(errors).decode(),
        "occurred_at": occurred_at,
    }
    row = session.execute(_WRITE, values).mappings().one_or_none()
    return Written(**(row or session.execute(_EARLIER, values).mappings().one()))


_MEASURE = text(
    """
    INSERT INTO measurements (record_id, stream, measure, value, dimensions, occurred_at)
    SELECT :record_id, :stream, key, CAST(value AS double precision), CAST(:dimensions AS jsonb), :occurred_at
    FROM jsonb_each_text(CAST(:values AS jsonb))
    ON CONFLICT (record_id, measure) DO NOTHING
    """
)


def insert_measurements(
    session: Session,
    *,
    record_id: UUID,
    stream: str,
    values: Mapping[str, float],
    dimensions: Mapping[str, Any],
    occurred_at: datetime,
) -> None:
    """Write the measures of one record, by one statement."""
    session.execute(
        _MEASURE,
        {
            "record_id": record_id,
            "stream": stream,
            "values": orjson.dumps(values).decode(),
            "dimensions": orjson.dumps(dimensions).decode(),
            "occurred_at": occurred_at,
        },
    )
