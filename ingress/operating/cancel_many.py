"""Cancel many jobs within the time of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.operating.time_budget import as_far_as_possible
from gristmill.shared.operating.cancel_many import CancelProgress, cancel_matching
from gristmill.shared.operating.queries_job_lists import CANCELLABLE, count_jobs, list_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification
    from gristmill.shared.jobs.models import Job

_SAMPLE: Final = 10


def preview_cancel(database: Database, wanted: Specification) -> dict[str, Any]:
    """Return what a cancel would find; changes nothing."""
    with database.transaction() as session:
        matched = count_jobs(session, wanted & CANCELLABLE)
        sample = list_jobs(session, wanted & CANCELLABLE, limit=_SAMPLE)
    return _answer(CancelProgress(more=matched.more), dry_run=True, matched=matched.count, sample=sample)


def cancel_many(database: Database, wanted: Specification, *, actor: str, limit: int) -> dict[str, Any]:
    """Cancel what matches, up to `limit` jobs or as many as the patience allows, and return what became of them."""
    done = as_far_as_possible(cancel_matching(database, wanted, actor=actor, limit=limit), CancelProgress(more=False))
    return _answer(done, dry_run=False, matched=done.seen, sample=[])


def _answer(done: CancelProgress, *, dry_run: bool, matched: int, sample: Sequence[Job]) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "matched": matched,
        "cancelled": done.cancelled,
        "asked": done.asked,
        "skipped": done.skipped,
        "more": done.more,
        "sample": sample,
    }
