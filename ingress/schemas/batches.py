"""Schemas of batches of jobs."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length

from gristmill.ingress.accepting.idempotency import LONGEST, PATTERN, WRONG_FORM, is_valid_key
from gristmill.ingress.schemas.errors import ErrorBody
from gristmill.ingress.schemas.fields import Flag
from gristmill.ingress.schemas.jobs import AcceptedJob, JobRequest

MOST_ENTRIES: Final = 1_000


def is_key(value: Any) -> bool:
    """Return whether `value` is a valid idempotency key."""
    return isinstance(value, str) and is_valid_key(value)


def _check_key(key: str) -> None:
    if not is_valid_key(key):
        raise ValidationError(f"It {WRONG_FORM}.")


class BatchEntry(JobRequest):
    """The body of `POST /jobs`, with the idempotency key that is a header there."""

    idempotency_key = fields.String(
        validate=_check_key,
        metadata={
            "description": "Like the header `Idempotency-Key` of a single job. Not together with that header.",
            "minLength": 1,
            "maxLength": LONGEST,
            "pattern": PATTERN,
        },
    )


class Entries(fields.List[Any]):
    """A list of objects: one pass accepts it, and marshmallow reports what is not an object."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> list[Any]:
        if type(value) is list and all(type(entry) is dict for entry in value):
            return value
        return super()._deserialize(value, attr, data, **options)


class BatchRequest(Schema):
    jobs = Entries(
        fields.Dict(),
        required=True,
        validate=Length(1, MOST_ENTRIES),
        metadata={
            "description": "Each like the body of `POST /api/v1/jobs`, with an optional `idempotency_key`. "
            "The result of an entry that cannot be accepted is its error; the others are not affected.",
            "example": [{"task": "email.send", "args": {}, "idempotency_key": "order-7"}],
        },
    )
    atomic = Flag(
        load_default=False,
        metadata={"description": "All or nothing: if one entry cannot be accepted, none is."},
    )


class EntryError(ErrorBody):
    class Meta:
        fields = ("code", "message", "details")


class EntryResult(AcceptedJob):
    """An accepted job, or `error` alone."""

    error = fields.Nested(
        EntryError, metadata={"description": "The reason why the entry was not accepted. It is then the only field."}
    )


class BatchAnswer(Schema):
    results = fields.List(
        fields.Nested(EntryResult(partial=True)),
        required=True,
        metadata={"description": "One result for each entry, in order."},
    )
