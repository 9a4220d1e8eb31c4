"""Cancel many jobs within the time of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.operating.time_budget import within_time_budget
from gristmill.shared.operating.cancel_many import CancelProgress, cancel_matching
from gristmill.shared.operating.queries_job_lists import CANCELLABLE, count_jobs, list_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification
    from gristmill.shared.jobs.models import Job

_SAMPLE: Final = 10


def preview_cancel(database: Database, wanted: Specification) -> dict[str, Any]:
    """Return the jobs that a cancellation would affect. Changes nothing."""
    with database.transaction() as session:
        matched = count_jobs(session, wanted & CANCELLABLE)
        sample = list_jobs(session, wanted & CANCELLABLE, limit=_SAMPLE)
    return _answer(CancelProgress(more=matched.more), dry_run=True, matched=matched.count, sample=sample)


def cancel_many(database: Database, wanted: Specification, *, actor: str, limit: int) -> dict[str, Any]:
    """Cancel the matching jobs, up to `limit` or as many as the time budget allows, and return the counts."""
    done = within_time_budget(cancel_matching(database, wanted, actor=actor, limit=limit), CancelProgress(more=False))
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
