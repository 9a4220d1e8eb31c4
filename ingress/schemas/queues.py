"""Queues as they are shown, and paused."""

from __future__ import annotations

from marshmallow import Schema, fields

from gristmill.ingress.schemas.fields import Time, short_text
from gristmill.shared.database.bounded import MOST_COUNTED

LONGEST_REASON = 500  # characters: it stands in a sentence that producers read


class PauseRequest(Schema):
    reason = short_text(
        LONGEST_REASON,
        required=True,
        metadata={"description": "Why; whoever waits reads it.", "example": "The mail server moves."},
    )


class PauseAnswer(Schema):
    since = Time(required=True)
    by = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)


class QueueAnswer(Schema):
    name = fields.String(required=True)
    purpose = fields.String(required=True)
    ready = fields.Integer(required=True, metadata={"description": "Jobs that are due and wait."})
    scheduled = fields.Integer(required=True, metadata={"description": "Jobs whose time has not come."})
    retrying = fields.Integer(
        required=True, metadata={"description": "Jobs that failed and wait for the time of their next attempt."}
    )
    running = fields.Integer(required=True)
    dead_letters = fields.Integer(required=True, metadata={"description": "Open ones."})
    more = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": f"Which of these numbers are beyond {MOST_COUNTED}, where counting ends: as they were at "
            "`counted_at`, or more than they say when that is null."
        },
    )
    counted_at = Time(required=True, allow_none=True)
    oldest_due_at = Time(required=True, allow_none=True)
    oldest_waiting_seconds = fields.Float(
        required=True, allow_none=True, metadata={"description": "How long the first in line has been due."}
    )
    accepted_a_minute = fields.Float(
        required=True,
        metadata={"description": "Jobs that came in: over the last minute, or its last instants if many."},
    )
    started_a_minute = fields.Integer(
        required=True, metadata={"description": "Attempts begun in the last minute, as workers told seconds ago."}
    )
    workers = fields.Integer(
        required=True, metadata={"description": "Processes that consume it, each one job at a time. 0: nobody does."}
    )
    worker_seen_at = Time(required=True, allow_none=True)
    last_started_at = Time(required=True, allow_none=True)
    paused = fields.Nested(
        PauseAnswer, required=True, allow_none=True, metadata={"description": "There while jobs are not started."}
    )
    dead_letter_queue = fields.String(required=True)
    time_to_live = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Seconds that a job waits here at most; null: for ever."},
    )


class QueueList(Schema):
    items = fields.List(fields.Nested(QueueAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Always null."})
