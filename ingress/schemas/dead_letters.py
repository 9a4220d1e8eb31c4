"""Dead letters as they are listed, grouped, shown and acted on."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import OneOf, Range

from ingress.cursor import read_cursor
from ingress.schemas.fields import Seconds, Time, short_text
from ingress.schemas.jobs import AttemptAnswer, AttemptError
from shared.queues import QUEUES
from shared.states import DeadReason

MOST_AT_ONCE: Final = 10_000  # letters a request: some seconds of work; who has more asks again
_REASONS: Final = [str(reason) for reason in DeadReason]


class LetterChoice(Schema):
    """Which dead letters."""

    task = short_text(200)
    queue = fields.String(validate=OneOf(list(QUEUES)))
    reason = fields.String(validate=OneOf(_REASONS))
    fingerprint = short_text(64, metadata={"description": "Of a group: the same for failures of the same kind."})
    created_after = Time()
    created_before = Time()


class GroupQuery(LetterChoice):
    limit = fields.Integer(load_default=20, validate=Range(1, 100))
    resolution = fields.String(load_default="open", validate=OneOf(["open", "redriven", "discarded", "all"]))


class LetterQuery(GroupQuery):
    cursor = fields.String(
        validate=read_cursor,
        metadata={"description": "`next_cursor` of the page before.", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$"},
    )


class LetterAnswer(Schema):
    id = fields.UUID(required=True)
    job_id = fields.UUID(required=True, allow_none=True, metadata={"description": "None: it never was a job."})
    task = fields.String(required=True, allow_none=True)
    queue = fields.String(required=True)
    reason = fields.String(required=True, validate=OneOf(_REASONS))
    error = fields.Nested(AttemptError, required=True)
    fingerprint = fields.String(required=True)
    attempt = fields.Integer(required=True, metadata={"description": "The number of the last attempt."})
    created_at = Time(required=True)
    resolution = fields.String(required=True, allow_none=True, metadata={"description": "redriven, discarded or null"})
    resolved_at = Time(required=True, allow_none=True)
    resolved_by = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)


class LetterPage(Schema):
    items = fields.List(fields.Nested(LetterAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class RawBody(Schema):
    base64 = fields.String(required=True)
    excerpt = fields.String(required=True, metadata={"description": "Its beginning, as far as it can be printed."})
    bytes = fields.Integer(required=True)


class LetterDetails(LetterAnswer):
    attempts = fields.List(fields.Nested(AttemptAnswer), required=True)
    broker = fields.Dict(
        required=True, allow_none=True, metadata={"description": "What the broker told, such as `x-death`."}
    )
    raw_body = fields.Nested(
        RawBody, required=True, allow_none=True, metadata={"description": "Of a message that never was a job."}
    )


class LetterGroupAnswer(Schema):
    task = fields.String(required=True, allow_none=True)
    fingerprint = fields.String(required=True)
    count = fields.Integer(required=True)
    first_seen = Time(required=True)
    last_seen = Time(required=True)
    sample = fields.Nested(LetterAnswer, required=True, metadata={"description": "The latest of them."})


class LetterGroups(Schema):
    items = fields.List(fields.Nested(LetterGroupAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Always null."})


class RedriveRequest(Schema):
    args = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "All arguments anew, as the schema of the task says, instead of what the job has. A secret "
            "one that is given as it is shown, `[sealed]`, stays."
        },
    )


class RedriveManyRequest(LetterChoice):
    """At least one of the filters, or `all`."""

    all = fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "Without a filter: yes, really all open ones."}
    )
    dry_run = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Only say how many they are, and show some."},
    )
    rate = Seconds(
        validate=Range(0.01, 10_000),
        metadata={"description": "Jobs a second: their start is spread from now on. Without it all start at once."},
    )
    limit = fields.Integer(strict=True, load_default=MOST_AT_ONCE, validate=Range(1, MOST_AT_ONCE))

    @validates_schema
    def check_filter(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what would redrive everything by mistake."""
        filters = LetterChoice().fields.keys()
        if filters & data.keys() and data.get("all"):
            raise ValidationError("Give filters or all, not both.", "all")
        if not filters & data.keys() and not data.get("all"):
            msg = f'Give one of {", ".join(filters)}; or "all": true, for every open dead letter.'
            raise ValidationError(msg)


class RedriveManyAnswer(Schema):
    dry_run = fields.Boolean(required=True)
    matched = fields.Integer(required=True, metadata={"description": "Open dead letters that fitted."})
    redriven = fields.Integer(required=True)
    skipped = fields.Integer(required=True)
    skipped_because = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={
            "description": "How many, by `unique_key` (a live job has it), `unknown_task`, `no_job` (it never was one) "
            "and `resolved` (somebody else was faster)."
        },
    )
    more = fields.Boolean(required=True, metadata={"description": "Further ones fit: ask again."})
    until = Time(required=True, allow_none=True, metadata={"description": "When the last of them is due."})
    sample = fields.List(fields.Nested(LetterAnswer), required=True, metadata={"description": "Of a dry run."})


class DiscardRequest(Schema):
    reason = short_text(2_000, required=True, metadata={"example": "The customer has left."})
