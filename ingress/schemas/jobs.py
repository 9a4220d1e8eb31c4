"""Schemas of jobs: posted, accepted, shown, listed."""

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
MOST_SECONDS: Final = 3_600  # that a request may ask for; the server waits less
LONGEST_UNIQUE_KEY: Final = 255
LONGEST_TAG: Final = 64
MOST_TAGS: Final = 20
MOST_ATTEMPTS: Final = 100
PRIORITIES: Final = ("normal", "high")


class JobRequest(PlainFirst):
    checked_together = frozenset({"run_at", "delay"})

    task = short_text(LONGEST_TASK, required=True, metadata={"example": "email.send"})
    args = fields.Dict(
        keys=fields.String(), load_default=dict, metadata={"description": "The arguments; see the schema of the task."}
    )
    run_at = Time(metadata={"description": "The earliest start, at most a year ahead. A past time means now."})
    delay = Seconds(
        validate=Range(0, FURTHEST.total_seconds()),
        metadata={"description": "Seconds from now until the earliest start; instead of `run_at`."},
    )
    priority = fields.String(load_default="normal", validate=OneOf(PRIORITIES))
    expires_at = Time(
        metadata={
            "description": "The job expires if it has not started by then. Default: `run_at` plus the queue's limit."
        }
    )
    max_attempts = Whole(validate=Range(1, MOST_ATTEMPTS))
    unique_key = short_text(
        LONGEST_UNIQUE_KEY,
        metadata={"description": "While a live job of the task has this key, that job is returned with 200."},
    )
    callback_url = fields.String(
        validate=http_url,
        metadata={
            "format": "uri",
            "description": "Receives one signed POST (Standard Webhooks) when the job has ended; retried for hours. "
            "Needs a secret: `POST /api/v1/webhook-secret`.",
            "example": "https://shop.example.com/hooks/gristmill",
        },
    )
    tags = fields.List(short_text(LONGEST_TAG), load_default=list, validate=Length(max=MOST_TAGS))

    contract: ClassVar[dict[str, Any]] = {"not": {"required": ["run_at", "delay"]}}

    @validates_schema
    def check_start(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse two starts; `gristmill.ingress.accepting.start_and_expiry` checks the times against the clock."""
        if "run_at" in data and "delay" in data:
            raise ValidationError("Give run_at or delay, not both.", "delay")


class JobAnswer(Schema):
    """A job without its arguments and result."""

    id = fields.UUID(required=True)
    task = fields.String(required=True)
    queue = fields.String(required=True)
    state = fields.String(required=True, validate=OneOf([str(state) for state in State]))
    priority = fields.String(required=True)
    run_at = Time(required=True)
    expires_at = Time(allow_none=True)
    created_at = Time(required=True)


class AcceptedJob(JobAnswer):
    duplicate = fields.Boolean(metadata={"description": "Present, and true, if a live job has the same `unique_key`."})
    warnings = fields.List(
        fields.String(),
        metadata={
            "description": "Present if the job is accepted and something keeps it from running now: no worker of its "
            "queue that reported in the last minute knows its task."
        },
    )


class ListedJob(JobAnswer):
    attempt = fields.Integer(required=True)
    max_attempts = fields.Integer(required=True)
    started_at = Time(allow_none=True)
    finished_at = Time(allow_none=True)
    tags = fields.List(fields.String(), required=True)


class ChangedJob(ListedJob):
    cancel_requested_at = Time(
        allow_none=True, metadata={"description": "Present while the job runs and its worker is asked to end it."}
    )


class AttemptError(Schema):
    type = fields.String(allow_none=True)
    code = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    traceback = fields.String(allow_none=True, metadata={"description": "Only for the scope admin."})


class AttemptAnswer(Schema):
    attempt = fields.Integer(required=True)
    outcome = fields.String(
        required=True,
        metadata={"description": "`running`, `succeeded`, `failed`, `lost`, `snoozed`, `given_back` or `cancelled`"},
    )
    worker = fields.String(allow_none=True)
    started_at = Time(allow_none=True)
    ended_at = Time(allow_none=True)
    error = fields.Nested(AttemptError, allow_none=True)


class JobDetails(ListedJob):
    args = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "The arguments; secret ones are shown as `[sealed]`. Null if payloads are not shown."},
    )
    result = fields.Raw(allow_none=True)
    waiting_for = fields.String(
        allow_none=True,
        metadata={
            "description": "The first reason why a live job has not ended, in a sentence.",
            "example": "the queue email_queue is paused by ada since 2030-01-01T12:00:00Z (the mail server moves)",
        },
    )
    waiting_evidence = fields.Dict(
        allow_none=True,
        metadata={
            "description": f"The facts behind `waiting_for`: `reason`, one of {', '.join(REASONS)}, and the times, "
            "numbers and names that belong to it.",
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
        metadata={
            "description": "The first hundred jobs that this job enqueued, including the delivery of its callback."
        },
    )
    trace_id = fields.String(allow_none=True)


class EndedJob(JobDetails):
    """A job that ended while the request waited."""

    duplicate = fields.Boolean(metadata={"description": "Present, and true, if a live job has the same `unique_key`."})


class JobWait(Schema):
    wait = fields.Float(
        load_default=0.0,
        allow_nan=False,
        validate=Range(0, MOST_SECONDS),
        metadata={"description": f"Seconds to wait for the end of the job, {LONGEST_WAIT:g} at most."},
    )
