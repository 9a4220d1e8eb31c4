"""Schemas of one dead letter: shown, redriven, discarded."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gristmill.ingress.schemas.fields import Time, short_text
from gristmill.ingress.schemas.jobs import AttemptAnswer, AttemptError
from gristmill.shared.states import DeadReason

REASONS: Final = [str(reason) for reason in DeadReason]


class DeadLetterAnswer(Schema):
    id = fields.UUID(required=True)
    job_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Null for a message that never was a job."}
    )
    task = fields.String(required=True, allow_none=True)
    queue = fields.String(required=True)
    reason = fields.String(required=True, validate=OneOf(REASONS))
    error = fields.Nested(AttemptError, required=True)
    fingerprint = fields.String(required=True)
    attempt = fields.Integer(required=True, metadata={"description": "The number of the last attempt."})
    created_at = Time(required=True)
    resolution = fields.String(
        required=True, allow_none=True, metadata={"description": "`redriven`, `discarded`, or null while it is open."}
    )
    resolved_at = Time(required=True, allow_none=True)
    resolved_by = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)


class RawBody(Schema):
    base64 = fields.String(required=True)
    excerpt = fields.String(required=True, metadata={"description": "The beginning of the body, as printable text."})
    bytes = fields.Integer(required=True)


class DeadLetterDetails(DeadLetterAnswer):
    attempts = fields.List(fields.Nested(AttemptAnswer), required=True)
    broker = fields.Dict(
        required=True, allow_none=True, metadata={"description": "Headers of the broker, such as `x-death`."}
    )
    raw_body = fields.Nested(
        RawBody, required=True, allow_none=True, metadata={"description": "The body of a message that never was a job."}
    )


class RedriveRequest(Schema):
    args = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "All arguments, which replace those of the job; see the schema of the task. A secret "
            "argument sent as `[sealed]` keeps its value."
        },
    )


class DiscardRequest(Schema):
    reason = short_text(2_000, required=True, metadata={"example": "The customer has left."})
