"""Build the terms that query parameters and command options share."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gristmill.shared.filters.comparisons import Equal, Greater, Less
from gristmill.shared.filters.fields import Catalogue, Field
from gristmill.shared.filters.specification import Specification


def equal_terms(catalogue: Catalogue, wanted: dict[str, str | UUID | None]) -> list[Specification]:
    """Return an equality for each wanted value; None means any."""
    return [Equal(catalogue[name], value) for name, value in wanted.items() if value is not None]


def created_terms(field: Field, after: datetime | None, before: datetime | None) -> list[Specification]:
    """Return the terms for a time of creation after `after` and before `before`; None means no bound."""
    terms: list[Specification] = []
    if after is not None:
        terms.append(Greater(field, after))
    if before is not None:
        terms.append(Less(field, before))
    return terms
