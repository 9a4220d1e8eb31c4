"""Jobs as they are posted, answered, shown and listed."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length, OneOf, Range

from gristmill.ingress.accepting.start_and_expiry import FURTHEST
from gristmill.ingress.following.followers import LONGEST_WAIT
from gristmill.ingress.schemas.fields import Seconds, Time, Whole, http_url, short_text
from gristmill.shared.args import PlainFirst
from gristmill.shared.operating.wait_reason import REASONS
from gristmill.shared.states import State

LONGEST_TASK: Final = 200
MOST_SECONDS: Final = 3_600  # that may be asked for; the server waits less
LONGEST_UNIQUE_KEY: Final = 255
LONGEST_TAG: Final = 64
MOST_TAGS: Final = 20
MOST_ATTEMPTS: Final = 100
PRIORITIES: Final = ("normal", "high")


class JobRequest(PlainFirst):
    checked_together = frozenset({"run_at", "delay"})

    task = short_text(LONGEST_TASK, required=True, metadata={"example": "email.send"})
    args = fields.Dict(
        keys=fields.String(), load_default=dict, metadata={"description": "As the schema of the task says."}
    )
    run_at = Time(metadata={"description": "Not before; in the past means now. At most a year ahead."})
    delay = Seconds(
        validate=Range(0, FURTHEST.total_seconds()),
        metadata={"description": "Seconds from now; instead of `run_at`."},
    )
    priority = fields.String(load_default="normal", validate=OneOf(PRIORITIES))
    expires_at = Time(
        metadata={"description": "No longer wanted after this; by default `run_at` and the queue's time to live."}
    )
    max_attempts = Whole(validate=Range(1, MOST_ATTEMPTS))
    unique_key = short_text(
        LONGEST_UNIQUE_KEY,
        metadata={"description": "While a live job of the task has this key, it is answered with 200 instead."},
    )
    callback_url = fields.String(
        validate=http_url,
        metadata={
            "format": "uri",
            "description": "Told when the job has ended, by one signed POST (Standard Webhooks) that is tried for "
            "hours. Needs a secret: `POST /api/v1/webhook-secret`.",
            "example": "https://shop.example.com/hooks/gristmill",
        },
    )
    tags = fields.List(short_text(LONGEST_TAG), load_default=list, validate=Length(max=MOST_TAGS))

    contract: ClassVar[dict[str, Any]] = {"not": {"required": ["run_at", "delay"]}}

    @validates_schema
    def check_start(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse two starts; `gristmill.ingress.accepting.start_and_expiry` looks at what the clock decides."""
        if "run_at" in data and "delay" in data:
            raise ValidationError("Give run_at or delay, not both.", "delay")


class JobAnswer(Schema):
    """What a job is, without what it works on."""

    id = fields.UUID(required=True)
    task = fields.String(required=True)
    queue = fields.String(required=True)
    state = fields.String(required=True, validate=OneOf([str(state) for state in State]))
    priority = fields.String(required=True)
    run_at = Time(required=True)
    expires_at = Time(allow_none=True)
    created_at = Time(required=True)


class AcceptedJob(JobAnswer):
    duplicate = fields.Boolean(metadata={"description": "There, and true, when a live job has the same `unique_key`."})


class ListedJob(JobAnswer):
    attempt = fields.Integer(required=True)
    max_attempts = fields.Integer(required=True)
    started_at = Time(allow_none=True)
    finished_at = Time(allow_none=True)
    tags = fields.List(fields.String(), required=True)


class ChangedJob(ListedJob):
    cancel_requested_at = Time(
        allow_none=True, metadata={"description": "There while it runs: its worker is about to end it."}
    )


class AttemptError(Schema):
    type = fields.String(allow_none=True)
    code = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    traceback = fields.String(allow_none=True, metadata={"description": "For keys with the scope admin."})


class AttemptAnswer(Schema):
    attempt = fields.Integer(required=True)
    outcome = fields.String(
        required=True, metadata={"description": "running, succeeded, failed, lost, snoozed, given_back or cancelled"}
    )
    worker = fields.String(allow_none=True)
    started_at = Time(allow_none=True)
    ended_at = Time(allow_none=True)
    error = fields.Nested(AttemptError, allow_none=True)


class JobDetails(ListedJob):
    args = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "Secret ones are shown as [sealed]; null for a key that may not see payloads."},
    )
    result = fields.Raw(allow_none=True)
    waiting_for = fields.String(
        allow_none=True,
        metadata={
            "description": "While it is alive: the first thing that it waits for, in a sentence.",
            "example": "the queue email_queue is paused by ada since 2030-01-01T12:00:00Z (the mail server moves)",
        },
    )
    waiting_evidence = fields.Dict(
        allow_none=True,
        metadata={
            "description": f"What `waiting_for` was read from: `reason`, one of {', '.join(REASONS)}, and the times, "
            "numbers and names that go with it.",
            "example": {"reason": "queue_paused", "paused_by": "ada", "paused_at": "2030-01-01T12:00:00Z"},
        },
    )
    attempts = fields.List(fields.Nested(AttemptAnswer), required=True)
    cancel_requested_at = Time(allow_none=True)
    worker = fields.String(allow_none=True)
    unique_key = fields.String(allow_none=True)
    callback_url = fields.String(allow_none=True)
    parent = fields.UUID(allow_none=True)
    children = fields.List(
        fields.UUID(),
        required=True,
        metadata={"description": "The first hundred; the delivery of its callback is one of them."},
    )
    trace_id = fields.String(allow_none=True)


class EndedJob(JobDetails):
    """A job that was waited for."""

    duplicate = fields.Boolean(metadata={"description": "There, and true, when a live job has the same `unique_key`."})


class JobWait(Schema):
    wait = fields.Float(
        load_default=0.0,
        allow_nan=False,
        validate=Range(0, MOST_SECONDS),
        metadata={"description": f"Seconds to wait for its end, {LONGEST_WAIT:g} at most."},
    )
