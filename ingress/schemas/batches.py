"""Batches of jobs as they are posted and answered."""

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
    """Say whether `value` is an idempotency key."""
    return isinstance(value, str) and is_valid_key(value)


def _check_key(key: str) -> None:
    if not is_valid_key(key):
        raise ValidationError(f"It {WRONG_FORM}.")


class BatchEntry(JobRequest):
    """What `POST /jobs` takes, and the key that stands in its header there."""

    idempotency_key = fields.String(
        validate=_check_key,
        metadata={
            "description": "What the header `Idempotency-Key` is for a single job; not together with that header.",
            "minLength": 1,
            "maxLength": LONGEST,
            "pattern": PATTERN,
        },
    )


class Entries(fields.List[Any]):
    """A list of objects. That they are is seen at a glance; what is not is refused by the way of marshmallow."""

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
            "description": "Each as `POST /api/v1/jobs` takes it, with an `idempotency_key` if you like. "
            "One that cannot be accepted is answered with its error and does not disturb the others.",
            "example": [{"task": "email.send", "args": {}, "idempotency_key": "order-7"}],
        },
    )
    atomic = Flag(
        load_default=False,
        metadata={"description": "All or nothing: with one entry that cannot be accepted, none is."},
    )


class EntryError(ErrorBody):
    class Meta:
        fields = ("code", "message", "details")


class EntryResult(AcceptedJob):
    """A job that was accepted, or `error` alone."""

    error = fields.Nested(EntryError, metadata={"description": "Why it was not accepted; then nothing else is here."})


class BatchAnswer(Schema):
    results = fields.List(
        fields.Nested(EntryResult(partial=True)),
        required=True,
        metadata={"description": "One for each entry, in order."},
    )
