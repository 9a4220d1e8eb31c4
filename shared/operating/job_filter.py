"""Filter jobs: the fields that they have, and the common filters of query parameters and command options."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from gristmill.shared.filters.ages import CreatedAfter, CreatedBefore
from gristmill.shared.filters.comparisons import Contains
from gristmill.shared.filters.everyday import equal_terms
from gristmill.shared.filters.fields import ID, QUEUE, SEES_ALL, TEXT, TIME, Field, catalogue_of
from gristmill.shared.filters.kinds import ChoiceKind, NumberKind, TagsKind
from gristmill.shared.filters.specification import And, Specification
from gristmill.shared.jobs.models import Job
from gristmill.shared.states import State

JOBS: Final = catalogue_of(
    Job,
    {
        "id": ID,
        "task": TEXT,
        "queue": QUEUE,
        "state": ChoiceKind(tuple(State)),
        "priority": ChoiceKind(("normal", "high")),
        "attempt": NumberKind(),
        "max_attempts": NumberKind(),
        "tags": TagsKind(),
        "unique_key": TEXT,
        "worker": TEXT,
        "parent_id": ID,
        "created_at": TIME,
        "run_at": TIME,
        "expires_at": TIME,
        "started_at": TIME,
        "finished_at": TIME,
        "cancel_requested_at": TIME,
    },
) | {"producer_id": Field("producer_id", ID, Job.producer_id, SEES_ALL)}


def choose_jobs(
    *,
    tag: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    **equal: str | UUID | None,
) -> Specification:
    """Return the filter of jobs; None means any. `equal` names fields: state, task, queue, producer_id."""
    tags = () if tag is None else (Contains(JOBS["tags"], tag),)
    field = JOBS["created_at"]
    after = () if created_after is None else (CreatedAfter(field, created_after),)
    before = () if created_before is None else (CreatedBefore(field, created_before),)
    return And((*equal_terms(JOBS, equal), *tags, *after, *before))
