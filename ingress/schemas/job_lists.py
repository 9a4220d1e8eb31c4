"""Schemas of jobs by a filter: listed, counted, cancelled."""

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
    """A filter of jobs; all fields must match."""

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

    all = Flag(metadata={"description": "Instead of a filter: confirms that all jobs that have not ended are meant."})
    dry_run = Flag(
        load_default=False,
        metadata={"description": "Change nothing; return the number of matching jobs and a sample."},
    )
    limit = Whole(load_default=MOST_AT_ONCE, validate=Range(1, MOST_AT_ONCE))

    @validates_schema
    def check_filter(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Refuse what would cancel everything by mistake."""
        refuse_everything_by_mistake(JobCount(), data, "every job that has not ended")


class CancelManyAnswer(Schema):
    dry_run = fields.Boolean(required=True)
    matched = fields.Integer(
        required=True,
        metadata={"description": "Matching jobs that had not ended and whose cancellation had not been requested."},
    )
    cancelled = fields.Integer(required=True, metadata={"description": "Jobs that waited and are cancelled."})
    asked = fields.Integer(
        required=True,
        metadata={"description": "Running jobs whose workers are asked to end them. Some may still succeed."},
    )
    skipped = fields.Integer(
        required=True, metadata={"description": "Jobs that moved in the meantime and no longer match."}
    )
    more = fields.Boolean(required=True, metadata={"description": "More jobs match: repeat the request."})
    sample = fields.List(
        fields.Nested(ListedJob), required=True, metadata={"description": "Matching jobs, in a dry run."}
    )
