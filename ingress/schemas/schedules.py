"""Schemas of schedules: created, changed, shown, run, backfilled."""

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
    "description": "Five fields: minute, hour, day of month, month, day of week; in the time zone `timezone`.",
    "example": "30 6 * * MON-FRI",
}
_ZONE: Final = {"description": "A time zone of the IANA database.", "example": "Europe/Berlin"}
_ARGS: Final = {
    "description": "The arguments; see the schema of the task. `{fire_at}` is replaced by the time of the fire."
}
_CATCH_UP: Final = {"description": "Which times are made up for that were missed while no beat ran."}
_OVERLAP: Final = {"description": "`skip` omits a time while the job of an earlier time has not ended."}


class SchedulePatch(Schema):
    """At least one field; `cron` replaces `every`, and vice versa."""

    contract: ClassVar[dict[str, Any]] = {"minProperties": 1, "not": {"required": ["cron", "every"]}}

    cron = short_text(200, metadata=_CRON)
    every = Seconds(validate=Range(1, _YEAR), metadata={"description": "A period in seconds; instead of `cron`."})
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
    next_fires = fields.List(
        Time(), required=True, metadata={"description": "The next five times; empty while the schedule is off."}
    )
    from_code = fields.Boolean(
        required=True,
        metadata={"description": "Whether it comes with the code; it follows the code until it is changed."},
    )
    changed_by = fields.String(
        required=True, allow_none=True, metadata={"description": "The principal that created or last changed it."}
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
    cause = fields.String(required=True, metadata={"description": "`due`, `run` or `backfill`"})
    job_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "Null if the time was omitted because an earlier job had not ended."},
    )
    state = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The state of the job; null if the job does not exist any more."},
    )
    created_at = Time(required=True)


class FirePage(Page):
    items = fields.List(fields.Nested(FireAnswer), required=True)


class RunRequest(Schema):
    fire_at = Time(metadata={"description": "The time of the fire; the same time returns the same job. Default: now."})


class RunAnswer(Schema):
    schedule = fields.String(required=True)
    fire_at = Time(required=True)
    job_id = fields.UUID(required=True)


class BackfillRequest(Schema):
    start = Time(required=True, data_key="from", metadata={"description": "The first time, at most a year ago."})
    end = Time(required=True, data_key="to", metadata={"description": "The end of the span, exclusive."})
    limit = Whole(load_default=100, validate=Range(1, MOST_AT_ONCE))
    dry_run = Flag(load_default=False, metadata={"description": "Change nothing; return the times only."})


class BackfillAnswer(Schema):
    dry_run = fields.Boolean(required=True)
    times = fields.List(Time(), required=True, metadata={"description": "The times that get a job, oldest first."})
    jobs = fields.List(
        fields.UUID(), required=True, metadata={"description": "The jobs of these times, in the same order."}
    )
    already = fields.Integer(required=True, metadata={"description": "The number of times that had their job already."})
    next_from = Time(
        required=True,
        allow_none=True,
        metadata={"description": "The `from` of the next request, if there are more times; else null."},
    )
