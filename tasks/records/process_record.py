"""Check records against the JSON Schema of their stream, store them, and extract their measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields
from marshmallow.validate import Regexp

from gristmill.shared.context import Call, Context
from gristmill.shared.outcomes import Discard
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.records import queries as records
from gristmill.tasks.records import queries_streams as streams
from gristmill.tasks.records.json_schema import find_errors
from gristmill.tasks.records.measures import take_dimensions, take_measures
from gristmill.tasks.records.models import Stream


class ProcessRecordArgs(Schema):
    """The record. Its id is `record_id`, or that of the job."""

    stream = fields.String(required=True, validate=Regexp(rf"^(?:{streams.STREAM_NAME.pattern})\Z"))
    data = fields.Dict(keys=fields.String(), required=True)
    occurred_at = fields.AwareDateTime(format="iso", load_default=None)
    record_id = fields.UUID(load_default=None)


def process_records(calls: Sequence[Call]) -> list[dict[str, Any] | Discard]:
    """Store records, each completed with its measurements or failed with its errors, by few statements.

    Invalid data is an outcome of the work, not a failure of the job, since no later attempt could change it. The record
    is kept as `failed` with its errors by path, and the job succeeds with that as its result.

    Repeating is harmless: a processed record stays unchanged, and measurements are unique per record.
    """
    session = calls[0].ctx.session
    kinds = streams.find_streams(session, {call.args["stream"] for call in calls})
    taken = [_take(call, kinds[call.args["stream"]]) for call in calls if call.args["stream"] in kinds]
    written = records.write_records(session, [each.record for each in taken])
    new = [each for each in taken if each.measures and written[each.id].is_new and not each.record.errors]
    records.insert_measurements(
        session,
        [
            records.Measured(
                record_id=each.id,
                stream=each.record.stream,
                values=each.measures,
                dimensions=each.dimensions,
                occurred_at=written[each.id].occurred_at,
            )
            for each in new
        ],
    )
    by_job = {each.record.job_id: each for each in taken}
    return [_result(call, by_job.get(call.ctx.job_id), written) for call in calls]


@task(
    name="processing.record",
    queue="data_processing_queue",
    args=ProcessRecordArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=5),
    effects="database",
    bundle=30,
    many=process_records,
)
def process_record(
    ctx: Context,
    *,
    stream: str,
    data: Mapping[str, Any],
    occurred_at: datetime | None = None,
    record_id: UUID | None = None,
) -> dict[str, Any] | Discard:
    """Store one record, completed with its measurements, or failed with its errors; see `process_records`."""
    args = {"stream": stream, "data": data, "occurred_at": occurred_at, "record_id": record_id}
    return process_records([Call(ctx, args)])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A record to be written, with its measures and dimensions."""

    record: records.NewRecord
    measures: dict[str, float]
    dimensions: dict[str, Any]

    @property
    def id(self) -> UUID:
        return self.record.id


def _take(call: Call, kind: Stream) -> _Taken:
    data = call.args["data"]
    errors = find_errors(kind, data)
    measures, wrong_measures = take_measures(data, kind.measures)
    dimensions, wrong_dimensions = take_dimensions(data, kind.dimensions)
    record = records.NewRecord(
        id=call.args["record_id"] or call.ctx.job_id,
        job_id=call.ctx.job_id,
        stream=kind.name,
        data=data,
        errors=errors or (wrong_measures | wrong_dimensions) or None,
        occurred_at=call.args["occurred_at"],
    )
    return _Taken(record=record, measures=measures, dimensions=dimensions)


def _result(call: Call, taken: _Taken | None, written: Mapping[UUID, records.Written]) -> dict[str, Any] | Discard:
    if taken is None:
        stream = call.args["stream"]
        return Discard(f"There is no stream {stream!r}; PUT /api/v1/streams/{stream} creates it", code="STREAM_UNKNOWN")
    stands = written[taken.id]
    if not stands.same:
        return Discard(f"The record {taken.id} was processed before, with other data", code="RECORD_EXISTS")
    result: dict[str, Any] = {"record_id": str(taken.id), "status": stands.status}
    if stands.status == "failed":
        return result | {"errors": stands.errors}
    return result | {"measurements": len(taken.measures)}
