"""Redrive many dead letters within the time of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.operating.dead_letter_details import show_listed_dead_letter
from gristmill.ingress.operating.time_budget import within_time_budget
from gristmill.shared.dead_letters.filter import OPEN
from gristmill.shared.dead_letters.queries import count_letters, list_letters
from gristmill.shared.dead_letters.redrive_many import RedriveProgress, redrive_matching

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification

_SAMPLE: Final = 10


def preview_redrive(database: Database, wanted: Specification) -> dict[str, Any]:
    """Return the dead letters that a redrive would affect. Changes nothing."""
    with database.transaction() as session:
        matched = count_letters(session, wanted & OPEN)
        sample = [show_listed_dead_letter(letter) for letter in list_letters(session, wanted & OPEN, limit=_SAMPLE)]
    return _answer(RedriveProgress(more=matched.more), dry_run=True, matched=matched.count, sample=sample)


def redrive_many(
    database: Database, wanted: Specification, *, actor: str, rate: float | None, limit: int
) -> dict[str, Any]:
    """Redrive the matching dead letters, up to `limit` or as many as the time budget allows; return the counts."""
    steps = redrive_matching(database, wanted, actor=actor, rate=rate, limit=limit)
    done = within_time_budget(steps, RedriveProgress())
    return _answer(done, dry_run=False, matched=done.seen, sample=[])


def redrive_all(database: Database, wanted: Specification, *, actor: str, rate: float | None) -> dict[str, Any]:
    """Redrive all matching dead letters, however long it takes: for a command, which has no time budget."""
    *_, done = redrive_matching(database, wanted, actor=actor, rate=rate)
    return _answer(done, dry_run=False, matched=done.seen, sample=[])


def _answer(done: RedriveProgress, **more: Any) -> dict[str, Any]:
    return {
        "redriven": done.redriven,
        "skipped": done.skipped.total(),
        "skipped_because": dict(done.skipped),
        "more": done.more,
        "until": done.until,
        **more,
    }
