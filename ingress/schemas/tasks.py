"""Tasks as they are described."""

from __future__ import annotations

from marshmallow import Schema, fields


class RetryAnswer(Schema):
    max_attempts = fields.Integer(required=True)
    first_delay = fields.Float(required=True, metadata={"description": "Seconds; the longest wait after attempt 1."})
    factor = fields.Float(required=True, metadata={"description": "Each longest wait is so many times the one before."})
    max_delay = fields.Float(required=True, metadata={"description": "Seconds; no wait is longer."})


class TaskAnswer(Schema):
    name = fields.String(required=True)
    summary = fields.String(required=True)
    queue = fields.String(required=True)
    effects = fields.String(required=True, metadata={"description": "`database`: exactly once; `outside`: by a ledger"})
    time_limit = fields.Float(required=True, metadata={"description": "Seconds an attempt may take."})
    retry = fields.Nested(RetryAnswer, required=True)
    args = fields.Dict(required=True, metadata={"description": "JSON Schema, draft 2020-12."})


class TaskList(Schema):
    items = fields.List(fields.Nested(TaskAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Always null."})
