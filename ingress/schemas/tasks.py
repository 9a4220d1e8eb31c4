"""Schemas of tasks."""

from __future__ import annotations

from marshmallow import Schema, fields


class RetryAnswer(Schema):
    max_attempts = fields.Integer(required=True)
    first_delay = fields.Float(required=True, metadata={"description": "Seconds; the longest delay after attempt 1."})
    factor = fields.Float(
        required=True, metadata={"description": "The factor by which the longest delay grows with each attempt."}
    )
    max_delay = fields.Float(required=True, metadata={"description": "Seconds; no delay is longer."})


class TaskAnswer(Schema):
    name = fields.String(required=True)
    summary = fields.String(required=True)
    queue = fields.String(required=True)
    effects = fields.String(
        required=True, metadata={"description": "`database` (exactly once) or `outside` (guarded by a ledger)"}
    )
    time_limit = fields.Float(required=True, metadata={"description": "Seconds that an attempt may take."})
    retry = fields.Nested(RetryAnswer, required=True)
    args = fields.Dict(required=True, metadata={"description": "JSON Schema, draft 2020-12."})
    example = fields.Dict(required=True, metadata={"description": "Arguments that a job of this task may have."})


class TaskList(Schema):
    items = fields.List(fields.Nested(TaskAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Always null."})
