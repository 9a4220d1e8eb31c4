"""Build the common filters, those of query parameters and command options, as specifications."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from gristmill.shared.filters.ages import CreatedAfter, CreatedBefore
from gristmill.shared.filters.comparisons import Contains, Equal, Greater, Less, Null
from gristmill.shared.filters.fields import JOBS, LETTERS, Catalogue
from gristmill.shared.filters.specification import And, Specification

Resolution = Literal["open", "redriven", "discarded", "all"]

OPEN = Null(LETTERS["resolution"], True)


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
    return And((*_equal(JOBS, equal), *tags, *after, *before))


def choose_letters(
    *,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    resolution: Resolution = "open",
    **equal: str | UUID | None,
) -> Specification:
    """Return the filter of dead letters; None means any.

    Args:
        resolution: only open ones by default.
        equal: names fields: task, queue, reason, fingerprint, producer_id (that of the letter's job).
    """
    resolved: tuple[Specification, ...] = ()
    if resolution != "all":
        resolved = (OPEN if resolution == "open" else Equal(LETTERS["resolution"], resolution),)
    return And((*_equal(LETTERS, equal), *_created(created_after, created_before), *resolved))


def _equal(catalogue: Catalogue, wanted: dict[str, str | UUID | None]) -> list[Specification]:
    return [Equal(catalogue[name], value) for name, value in wanted.items() if value is not None]


def _created(after: datetime | None, before: datetime | None) -> list[Specification]:
    field = LETTERS["created_at"]
    terms: list[Specification] = []
    if after is not None:
        terms.append(Greater(field, after))
    if before is not None:
        terms.append(Less(field, before))
    return terms
