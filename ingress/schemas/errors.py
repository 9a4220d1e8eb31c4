"""Schema of the error envelope."""

from __future__ import annotations

from marshmallow import Schema, fields

from gristmill.ingress.schemas.fields import Time


class ErrorBody(Schema):
    code = fields.String(
        required=True,
        metadata={"example": "JOB_NOT_FOUND_001", "description": "Identifies the kind of error; it does not change."},
    )
    message = fields.String(required=True, metadata={"description": "The problem and what to do about it, for people."})
    details = fields.Dict(required=True, metadata={"description": "The wrong fields by path, each with its problems."})
    request_id = fields.String(required=True)
    timestamp = Time(required=True)


class ErrorEnvelope(Schema):
    error = fields.Nested(ErrorBody, required=True)
