"""Schemas of dead letters by a filter: listed, counted, grouped, redriven."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields, validates_schema
from marshmallow.validate import OneOf, Range

from gristmill.ingress.http.cursor import BY_GROUP
from gristmill.ingress.schemas.dead_letters import REASONS, DeadLetterAnswer
from gristmill.ingress.schemas.fields import Flag, Seconds, Time, Whole, short_text
from gristmill.ingress.schemas.lists import (
    MOST_OF_A_PAGE,
    CursorField,
    Page,
    limit_field,
    refuse_everything_by_mistake,
    where_field,
)
from gristmill.shared.queues import QUEUES

MOST_AT_ONCE: Final = 10_000  # dead letters a request: some seconds of work; the rest takes further requests
_RESOLUTIONS: Final = ["open", "redriven", "discarded", "all"]


class DeadLetterFilter(Schema):
    """A filter of dead letters; all fields must match."""

    task = short_text(200)
    queue = fields.String(validate=OneOf(list(QUEUES)))
    reason = fields.String(validate=OneOf(REASONS))
    fingerprint = short_text(
        64, metadata={"description": "The fingerprint of a group: equal for failures of the same kind."}
    )
    created_after = Time()
    created_before = Time()


class DeadLetterResolutionFilter(DeadLetterFilter):
    resolution = fields.String(load_default="open", validate=OneOf(_RESOLUTIONS))


class DeadLetterQuery(DeadLetterResolutionFilter):
    limit = limit_field()
    cursor = CursorField()


class DeadLetterWhereFilter(DeadLetterFilter):
    where = where_field("DeadLetterWhere")


class DeadLetterCount(DeadLetterWhereFilter):
    resolution = fields.String(
        load_default="all",
        validate=OneOf(_RESOLUTIONS),
        metadata={"description": "Default: dead letters with any resolution, unless `where` restricts it."},
    )


class DeadLetterSearch(DeadLetterCount):
    limit = Whole(load_default=20, validate=Range(1, MOST_OF_A_PAGE))
    cursor = CursorField()


class DeadLetterGroupQuery(DeadLetterResolutionFilter):
    limit = limit_field()
    cursor = CursorField(BY_GROUP)


class DeadLetterPage(Page):
    items = fields.List(fields.Nested(DeadLetterAnswer), required=True)


class DeadLetterGroupAnswer(Schema):
    task = fields.String(required=True, allow_none=True)
    fingerprint = fields.String(required=True)
    count = fields.Integer(required=True)
    first_seen = Time(required=True)
    last_seen = Time(required=True)
    sample = fields.Nested(
        DeadLetterAnswer, required=True, metadata={"description": "The latest dead letter of the group."}
    )


class DeadLetterGroups(Page):
    items = fields.List(fields.Nested(DeadLetterGroupAnswer), required=True)


class RedriveManyRequest(DeadLetterWhereFilter):
    """At least one of the filters, or `all`."""

    all = Flag(metadata={"description": "Instead of a filter: confirms that all open dead letters are meant."})
    dry_run = Flag(
        load_default=False,
        metadata={"description": "Change nothing; return the number of matching dead letters and a sample."},
    )
    rate = Seconds(
        validate=Range(0.01, 10_000),
        metadata={"description": "Jobs a second, over which the starts are spread. Default: all start at once."},
    )
    limit = Whole(load_default=MOST_AT_ONCE, validate=Range(1, MOST_AT_ONCE))

    @validates_schema
    def check_filter(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what would redrive everything by mistake."""
        refuse_everything_by_mistake(DeadLetterWhereFilter(), data, "every open dead letter")


class RedriveManyAnswer(Schema):
    dry_run = fields.Boolean(required=True)
    matched = fields.Integer(required=True, metadata={"description": "Matching open dead letters."})
    redriven = fields.Integer(required=True)
    skipped = fields.Integer(required=True)
    skipped_because = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={
            "description": "The number by reason: `unique_key` (a live job has it), `unknown_task`, "
            "`no_job` (it never was a job) or `resolved` (in the meantime)."
        },
    )
    more = fields.Boolean(required=True, metadata={"description": "More dead letters match: repeat the request."})
    until = Time(
        required=True, allow_none=True, metadata={"description": "The time at which the last redriven job is due."}
    )
    sample = fields.List(
        fields.Nested(DeadLetterAnswer), required=True, metadata={"description": "Matching dead letters, in a dry run."}
    )
