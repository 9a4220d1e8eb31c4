"""Jobs by a filter: listed, counted, cancelled."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validates_schema
from marshmallow.validate import OneOf, Range

from gristmill.ingress.schemas.fields import Flag, Time, Whole, short_text
from gristmill.ingress.schemas.jobs import LONGEST_TAG, LONGEST_TASK, ListedJob
from gristmill.ingress.schemas.lists import (
    MOST_OF_A_PAGE,
    CursorField,
    Page,
    limit_field,
    refuse_everything_by_mistake,
    where_field,
)
from gristmill.shared.operating.cancel_many import MOST_AT_ONCE
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import State


class JobFilter(Schema):
    """Which jobs; what several fields say must all be true."""

    state = fields.String(validate=OneOf([str(state) for state in State]))
    task = short_text(LONGEST_TASK)
    queue = fields.String(validate=OneOf(list(QUEUES)))
    tag = short_text(LONGEST_TAG)
    created_after = Time()
    created_before = Time()


class JobQuery(JobFilter):
    limit = limit_field()
    cursor = CursorField()


class JobCount(JobFilter):
    where = where_field("JobWhere")


class JobSearch(JobCount):
    limit = Whole(load_default=20, validate=Range(1, MOST_OF_A_PAGE))
    cursor = CursorField()


class JobPage(Page):
    items = fields.List(fields.Nested(ListedJob), required=True)


class CancelManyRequest(JobCount):
    """At least one of the filters, or `all`."""

    all = Flag(metadata={"description": "Without a filter: yes, really all that have not ended."})
    dry_run = Flag(
        load_default=False,
        metadata={"description": "Only say how many they are, and show some."},
    )
    limit = Whole(load_default=MOST_AT_ONCE, validate=Range(1, MOST_AT_ONCE))

    @validates_schema
    def check_filter(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what would cancel everything by mistake."""
        refuse_everything_by_mistake(JobCount(), data, "every job that has not ended")


class CancelManyAnswer(Schema):
    dry_run = fields.Boolean(required=True)
    matched = fields.Integer(
        required=True, metadata={"description": "Jobs that fitted and had neither ended nor been asked to end."}
    )
    cancelled = fields.Integer(required=True, metadata={"description": "They waited, and have ended."})
    asked = fields.Integer(
        required=True,
        metadata={"description": "They run: their workers are asked to end them. Some may still succeed."},
    )
    skipped = fields.Integer(required=True, metadata={"description": "They moved meanwhile, and fit no more."})
    more = fields.Boolean(required=True, metadata={"description": "Further ones fit: ask again."})
    sample = fields.List(fields.Nested(ListedJob), required=True, metadata={"description": "Of a dry run."})
