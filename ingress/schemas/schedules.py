"""Schedules as they are made, changed, shown and run."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import OneOf, Range

from gristmill.ingress.http.cursor import BY_NAME, BY_TIME
from gristmill.ingress.schemas.fields import Flag, Seconds, Time, Whole, short_text
from gristmill.ingress.schemas.lists import CursorField, Page, limit_field
from gristmill.shared.schedules.backfill import MOST_AT_ONCE

NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,99}$"
_YEAR: Final = 366 * 86_400.0
_CRON: Final = {
    "description": "Five fields: minute, hour, day of month, month, day of week; on the wall clock of `timezone`.",
    "example": "30 6 * * MON-FRI",
}
_ZONE: Final = {"description": "For instance Europe/Berlin.", "example": "Europe/Berlin"}
_ARGS: Final = {"description": "As the schema of the task says; `{fire_at}` stands for the time it is due."}
_CATCH_UP: Final = {"description": "Of what was missed while no beat ran: none, the last, or all of it."}
_OVERLAP: Final = {"description": "skip: leave a time out while a job of an earlier one has not ended."}


class SchedulePatch(Schema):
    """At least one field; giving `cron` takes `every` away, and the other way round."""

    contract: ClassVar[dict[str, Any]] = {"minProperties": 1, "not": {"required": ["cron", "every"]}}

    cron = short_text(200, metadata=_CRON)
    every = Seconds(validate=Range(1, _YEAR), metadata={"description": "Seconds; instead of `cron`."})
    timezone = short_text(100, metadata=_ZONE)
    task = short_text(200, metadata={"example": "processing.aggregate_hour"})
    args = fields.Dict(keys=fields.String(), metadata=_ARGS)
    catch_up = fields.String(validate=OneOf(["none", "last", "all"]), metadata=_CATCH_UP)
    overlap = fields.String(validate=OneOf(["skip", "allow"]), metadata=_OVERLAP)
    enabled = Flag()

    @validates_schema
    def check_rule(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse two rules, or a change of nothing."""
        if data.get("cron") is not None and data.get("every") is not None:
            raise ValidationError("Give cron or every, not both.", "every")
        if not data:
            raise ValidationError("Give at least one field to change.")


class ScheduleRequest(SchedulePatch):
    contract: ClassVar[dict[str, Any]] = {"oneOf": [{"required": ["cron"]}, {"required": ["every"]}]}

    timezone = short_text(100, load_default="UTC", metadata=_ZONE)
    task = short_text(200, required=True, metadata={"example": "processing.aggregate_hour"})
    args = fields.Dict(keys=fields.String(), load_default=dict, metadata=_ARGS)
    catch_up = fields.String(load_default="last", validate=OneOf(["none", "last", "all"]), metadata=_CATCH_UP)
    overlap = fields.String(load_default="allow", validate=OneOf(["skip", "allow"]), metadata=_OVERLAP)
    enabled = Flag(load_default=True)

    @validates_schema
    def check_presence(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse a schedule without a rule."""
        if data.get("cron") is None and data.get("every") is None:
            raise ValidationError("Give cron (like 0 * * * *) or every (seconds).", "cron")


class ScheduleAnswer(Schema):
    name = fields.String(required=True)
    cron = fields.String(required=True, allow_none=True)
    every = fields.Float(required=True, allow_none=True)
    timezone = fields.String(required=True)
    task = fields.String(required=True)
    args = fields.Dict(required=True)
    catch_up = fields.String(required=True)
    overlap = fields.String(required=True)
    enabled = fields.Boolean(required=True)
    next_fires = fields.List(Time(), required=True, metadata={"description": "The next five; none while it is off."})
    from_code = fields.Boolean(
        required=True, metadata={"description": "It comes with the code, and follows it until somebody changes it."}
    )
    changed_by = fields.String(
        required=True, allow_none=True, metadata={"description": "Who made or changed it last, by hand."}
    )
    created_at = Time(required=True)
    updated_at = Time(required=True)


class ScheduleQuery(Schema):
    limit = limit_field()
    cursor = CursorField(BY_NAME)


class FireQuery(Schema):
    limit = limit_field()
    cursor = CursorField(BY_TIME)


class SchedulePage(Page):
    items = fields.List(fields.Nested(ScheduleAnswer), required=True)


class FireAnswer(Schema):
    fire_at = Time(required=True)
    cause = fields.String(required=True, metadata={"description": "due, run or backfill"})
    job_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "null: left out, since an earlier job had not ended."}
    )
    state = fields.String(
        required=True, allow_none=True, metadata={"description": "Of the job; null when there is none any more."}
    )
    created_at = Time(required=True)


class FirePage(Page):
    items = fields.List(fields.Nested(FireAnswer), required=True)


class RunRequest(Schema):
    fire_at = Time(
        metadata={"description": "The time it is run for: the same one gives the same job again. By default now."}
    )


class RunAnswer(Schema):
    schedule = fields.String(required=True)
    fire_at = Time(required=True)
    job_id = fields.UUID(required=True)


class BackfillRequest(Schema):
    start = Time(required=True, data_key="from", metadata={"description": "At most a year ago."})
    end = Time(required=True, data_key="to", metadata={"description": "The first time that is not among them."})
    limit = Whole(load_default=100, validate=Range(1, MOST_AT_ONCE))
    dry_run = Flag(load_default=False, metadata={"description": "Only say which times they are."})


class BackfillAnswer(Schema):
    dry_run = fields.Boolean(required=True)
    times = fields.List(Time(), required=True, metadata={"description": "That get a job, oldest first."})
    jobs = fields.List(fields.UUID(), required=True, metadata={"description": "Theirs, in the same order."})
    already = fields.Integer(required=True, metadata={"description": "Times of the span that had their job before."})
    next_from = Time(
        required=True, allow_none=True, metadata={"description": "There are more: go on with this as `from`."}
    )
