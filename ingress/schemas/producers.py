"""Schemas of producers and their keys."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from gristmill.ingress.http.cursor import BY_NAME
from gristmill.ingress.schemas.fields import Flag, Time, Whole, short_text
from gristmill.ingress.schemas.lists import CursorField, Page, limit_field
from gristmill.shared.base.principal import SCOPES

LONGEST_NAME: Final = 100
MOST_TASKS: Final = 200
MOST_IN_FLIGHT: Final = 10_000_000
_DAY: Final = 86_400
_SCOPES: Final = "; ".join(f"`{scope}`: {what}" for scope, what in SCOPES.items())


def _scopes(*, required: bool = False) -> fields.List[str]:
    return fields.List(
        fields.String(validate=OneOf(list(SCOPES))),
        validate=Length(1, len(SCOPES)),
        metadata={"description": _SCOPES, "example": ["jobs:read", "jobs:write"]},
        required=required,
    )


class _Wanted(Schema):
    allowed_tasks = fields.List(
        short_text(200),
        allow_none=True,
        validate=Length(max=MOST_TASKS),
        metadata={"description": "The only tasks whose jobs it may post; null allows every task."},
    )
    quota = Whole(
        allow_none=True,
        validate=Range(1, MOST_IN_FLIGHT),
        metadata={"description": "The most jobs it may have in flight; null for no limit."},
    )
    rate = fields.Float(
        allow_none=True,
        allow_nan=False,
        validate=Range(0.01, 100_000),
        metadata={"description": "Requests a second that it may make on average; null for no limit."},
    )
    burst = Whole(
        allow_none=True,
        validate=Range(1, 1_000_000),
        metadata={
            "description": "Requests that it may make at once; needs a `rate`. Null allows as many as in one second."
        },
    )
    sees_payloads = Flag(metadata={"description": "Whether arguments and results are shown to it."})


class ProducerRequest(_Wanted):
    name = short_text(LONGEST_NAME, required=True, metadata={"example": "shop"})
    scopes = _scopes(required=True)


class ProducerChange(_Wanted):
    scopes = _scopes()
    enabled = Flag(metadata={"description": "False: none of its keys is valid until it is enabled again."})


class ProducerAnswer(Schema):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    allowed_tasks = fields.List(fields.String(), required=True, allow_none=True)
    quota = fields.Integer(required=True, allow_none=True)
    rate = fields.Float(required=True, allow_none=True)
    burst = fields.Integer(required=True, allow_none=True)
    sees_payloads = fields.Boolean(required=True)
    created_at = Time(required=True)
    disabled_at = Time(required=True, allow_none=True)


class ProducerPage(Page):
    items = fields.List(fields.Nested(ProducerAnswer), required=True)


class ProducerQuery(Schema):
    limit = limit_field()
    cursor = CursorField(BY_NAME)


class KeyRequest(Schema):
    expires_in = Whole(
        allow_none=True,
        load_default=None,
        validate=Range(1, 3650 * _DAY),
        metadata={"description": "Seconds until the key expires; null for a key without expiry."},
    )


class RotateRequest(KeyRequest):
    overlap = Whole(
        load_default=_DAY,
        validate=Range(0, 90 * _DAY),
        metadata={"description": "Seconds for which the old key stays valid."},
    )


class KeyAnswer(Schema):
    id = fields.String(required=True, metadata={"description": "The public half of the key."})
    created_at = Time(required=True)
    expires_at = Time(required=True, allow_none=True)
    revoked_at = Time(required=True, allow_none=True)
    last_used_at = Time(required=True, allow_none=True, metadata={"description": "Accurate to a minute."})


class NewKey(KeyAnswer):
    token = fields.String(required=True, metadata={"description": "The key. It is not shown again."})


class KeyList(Page):
    items = fields.List(fields.Nested(KeyAnswer), required=True)
