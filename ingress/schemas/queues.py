"""Schemas of queues: shown, paused."""

from __future__ import annotations

from marshmallow import Schema, fields

from gristmill.ingress.schemas.fields import Time, short_text
from gristmill.shared.database.bounded_count import MOST_COUNTED

LONGEST_REASON = 500  # characters: producers read it in a sentence


class PauseRequest(Schema):
    reason = short_text(
        LONGEST_REASON,
        required=True,
        metadata={"description": "The reason; producers whose jobs wait read it.", "example": "The mail server moves."},
    )


class PauseAnswer(Schema):
    since = Time(required=True)
    by = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)


class QueueAnswer(Schema):
    name = fields.String(required=True)
    purpose = fields.String(required=True)
    ready = fields.Integer(required=True, metadata={"description": "Jobs that are due and wait for a worker."})
    scheduled = fields.Integer(required=True, metadata={"description": "Jobs that are not due yet."})
    retrying = fields.Integer(
        required=True, metadata={"description": "Jobs that failed and wait for their next attempt."}
    )
    running = fields.Integer(required=True)
    dead_letters = fields.Integer(required=True, metadata={"description": "Open dead letters."})
    more = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": f"Names of the counts beyond {MOST_COUNTED}, where exact counting ends. They are as of "
            "`counted_at`; if that is null, they are lower bounds."
        },
    )
    counted_at = Time(required=True, allow_none=True)
    oldest_due_at = Time(required=True, allow_none=True)
    oldest_waiting_seconds = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Seconds for which the oldest waiting job has been due."},
    )
    accepted_a_minute = fields.Float(
        required=True,
        metadata={"description": "Jobs accepted a minute, over the last minute or, at high rates, a part of it."},
    )
    started_a_minute = fields.Integer(
        required=True, metadata={"description": "Attempts started in the last minute, as workers reported seconds ago."}
    )
    workers = fields.Integer(
        required=True, metadata={"description": "Worker processes that consume the queue, each one job at a time."}
    )
    worker_seen_at = Time(required=True, allow_none=True)
    last_started_at = Time(required=True, allow_none=True)
    paused = fields.Nested(
        PauseAnswer, required=True, allow_none=True, metadata={"description": "Present while the queue is paused."}
    )
    dead_letter_queue = fields.String(required=True)
    time_to_live = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Seconds after which a waiting job expires; null for never."},
    )


class QueueList(Schema):
    items = fields.List(fields.Nested(QueueAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Always null."})
