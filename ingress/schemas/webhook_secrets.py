"""Schemas of the secrets that sign callbacks."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields
from marshmallow.validate import Range

from gristmill.ingress.schemas.fields import Time, Whole

_DAY: Final = 86_400


class SecretRequest(Schema):
    overlap = Whole(
        load_default=_DAY,
        validate=Range(0, 90 * _DAY),
        metadata={"description": "Seconds for which the old secret stays valid; until then both sign each callback."},
    )


class SecretAnswer(Schema):
    id = fields.UUID(required=True)
    created_at = Time(required=True)
    expires_at = Time(
        required=True,
        allow_none=True,
        metadata={"description": "The time at which it expires; null for the current secret."},
    )


class NewSecret(SecretAnswer):
    secret = fields.String(
        required=True,
        metadata={"description": "`whsec_` and base64. It is not shown again.", "example": "whsec_MfKQ9r8"},
    )


class SecretList(Schema):
    items = fields.List(fields.Nested(SecretAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class Forgotten(Schema):
    forgotten = fields.Integer(required=True, metadata={"description": "The number of deleted secrets."})
