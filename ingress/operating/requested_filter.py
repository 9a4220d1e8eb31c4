"""Combine the filter of a request: its fields, its `where`, and the rows that the principal may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gristmill.shared.dead_letters.filter import LETTERS, choose_letters
from gristmill.shared.filters.comparisons import Equal
from gristmill.shared.filters.fields import Catalogue
from gristmill.shared.filters.parse import read_filter
from gristmill.shared.operating.job_filter import JOBS, choose_jobs

if TYPE_CHECKING:
    from gristmill.shared.base.principal import Principal
    from gristmill.shared.filters.specification import Specification


def requested_jobs(principal: Principal, wanted: dict[str, Any]) -> Specification:
    """Return the filter of the jobs that `wanted` requests, among those that `principal` sees.

    Raises:
        InvalidError: its `where` is not valid; `details` names each wrong place.
    """
    return _combine(principal, wanted, choose_jobs, JOBS)


def requested_dead_letters(principal: Principal, wanted: dict[str, Any]) -> Specification:
    """Return the filter of the dead letters that `wanted` requests, among those that `principal` sees.

    Without `resolution` these are the open ones.

    Raises:
        InvalidError: its `where` is not valid; `details` names each wrong place.
    """
    return _combine(principal, wanted, choose_letters, LETTERS)


def _combine(
    principal: Principal, wanted: dict[str, Any], choose: Callable[..., Specification], catalogue: Catalogue
) -> Specification:
    chosen = choose(**{name: value for name, value in wanted.items() if name != "where"})
    if "where" in wanted:
        chosen &= read_filter(wanted["where"], catalogue, may=principal.has_one_of)
    return chosen if principal.sees is None else chosen & Equal(catalogue["producer_id"], principal.sees)
