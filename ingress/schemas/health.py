"""Schemas of the liveness and readiness probes."""

from __future__ import annotations

from marshmallow import Schema, fields

from gristmill.ingress.schemas.errors import ErrorBody


class Alive(Schema):
    status = fields.String(required=True, metadata={"example": "alive"})


class CheckAnswer(Schema):
    status = fields.String(required=True, metadata={"description": "`ok`, `degraded` or `failed`"})
    latency_ms = fields.Float(required=True)
    cause = fields.String()


class ReadyAnswer(Schema):
    status = fields.String(required=True, metadata={"description": "`ready`, `degraded` or `unready`"})
    checks = fields.Dict(keys=fields.String(), values=fields.Nested(CheckAnswer), required=True)
    error = fields.Nested(ErrorBody, metadata={"description": "Present if `unready`."})
