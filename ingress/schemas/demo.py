"""Schemas of the effects of demo tasks."""

from __future__ import annotations

from marshmallow import Schema, fields

from gristmill.ingress.schemas.fields import Time, short_text


class DemoEffectQuery(Schema):
    key = short_text(200, required=True)


class DemoEffectAnswer(Schema):
    job_id = fields.UUID(required=True)
    attempt = fields.Integer(required=True)
    at = Time(required=True)


class DemoEffects(Schema):
    key = fields.String(required=True)
    count = fields.Integer(required=True)
    items = fields.List(
        fields.Nested(DemoEffectAnswer), required=True, metadata={"description": "The first hundred effects."}
    )
