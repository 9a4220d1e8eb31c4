"""Check one record against its stream's JSON Schema, store it, and take its measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

from jsonschema import Draft202012Validator
from marshmallow import Schema, fields
from marshmallow.validate import Regexp
from referencing import Registry

from shared.context import Context
from shared.models.records import Stream
from shared.outcomes import Discard
from shared.queries import records, streams
from shared.retry import RetryPolicy
from shared.task import task
from tasks.measuring import take_dimensions, take_measures

MOST_ERRORS: Final = 20  # that are kept of one record
LONGEST_ERROR: Final = 300  # characters; jsonschema repeats the value that is wrong


class ProcessRecordArgs(Schema):
    """The record. Without `record_id` its id is the job's."""

    stream = fields.String(required=True, validate=Regexp(rf"^(?:{streams.STREAM_NAME.pattern})\Z"))
    data = fields.Dict(keys=fields.String(), required=True)
    occurred_at = fields.AwareDateTime(format="iso", load_default=None)
    record_id = fields.UUID(load_default=None)


@task(
    name="processing.record",
    queue="data_processing_queue",
    args=ProcessRecordArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=5),
    effects="database",
    bundle=32,
)
def process_record(
    ctx: Context,
    *,
    stream: str,
    data: Mapping[str, Any],
    occurred_at: datetime | None = None,
    record_id: UUID | None = None,
) -> dict[str, Any] | Discard:
    """Store one record, completed with its measurements, or failed with its errors.

    Data that does not fit is an outcome of the work and not a failure of the job: no later attempt could change it, so
    the record is kept as `failed` with its errors by path, and the job succeeds with that as its result.

    Repeating is harmless: a record that was processed is left as it is, and measurements are unique per record.
    """
    kind = streams.find_stream(ctx.session, stream)
    if kind is None:
        return Discard(f"There is no stream {stream!r}; PUT /api/v1/streams/{stream} makes it", code="STREAM_UNKNOWN")
    errors = find_errors(kind, data)
    measures, wrong_measures = take_measures(data, kind.measures)
    dimensions, wrong_dimensions = take_dimensions(data, kind.dimensions)
    errors = errors or (wrong_measures | wrong_dimensions)
    own_id = record_id or ctx.job_id
    written = records.write_record(
        ctx.session,
        record_id=own_id,
        job_id=ctx.job_id,
        stream=stream,
        data=data,
        status="failed" if errors else "completed",
        errors=errors or None,
        occurred_at=occurred_at,
    )
    if not written.same:
        return Discard(f"The record {own_id} was processed before, with other data", code="RECORD_EXISTS")
    result: dict[str, Any] = {"record_id": str(own_id), "status": written.status}
    if written.status == "failed":
        return result | {"errors": written.errors}
    if written.is_new and measures:
        records.insert_measurements(
            ctx.session,
            record_id=own_id,
            stream=stream,
            values=measures,
            dimensions=dimensions,
            occurred_at=written.occurred_at,
        )
    return result | {"measurements": len(measures)}


def find_errors(kind: Stream, data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong with `data` by path, the first twenty; nothing is fetched, whatever the schema refers to."""
    errors: dict[str, list[str]] = {}
    for path, message in islice(_iterate_errors(kind, data), MOST_ERRORS):
        errors.setdefault(path, []).append(message[:LONGEST_ERROR])
    return errors


def _iterate_errors(kind: Stream, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    registry: Registry[Any] = Registry()  # an empty one: the default would fetch references over the network
    validator = Draft202012Validator(
        kind.json_schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    try:
        for error in validator.iter_errors(data):
            yield ".".join(["data", *(str(part) for part in error.absolute_path)]), error.message
    except RecursionError:
        yield "data", "is nested too deeply for its schema (or the schema refers to itself without an end)"
