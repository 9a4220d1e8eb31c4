"""Redrive many dead letters within the time of one request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ingress.letters import show_letter
from shared.queries.dead_letters import count_letters, list_letters
from shared.redrive_many import Progress, redrive_matching

if TYPE_CHECKING:
    from shared.db import Database
    from shared.queries.dead_letters import LetterFilter

PATIENCE: Final = 15.0  # seconds; what is not done by then is left for the next request
_SAMPLE: Final = 10


def preview_redrive(database: Database, wanted: LetterFilter) -> dict[str, Any]:
    """Return what a redrive would find; changes nothing."""
    with database.transaction() as session:
        matched = count_letters(session, wanted)
        sample = [show_letter(letter) for letter in list_letters(session, wanted, limit=_SAMPLE)]
    return _answer(Progress(more=False), dry_run=True, matched=matched, sample=sample)


def redrive_many(
    database: Database, wanted: LetterFilter, *, actor: str, rate: float | None, limit: int
) -> dict[str, Any]:
    """Redrive what matches, up to `limit` letters or as many as the patience allows, and return what became of them."""
    ends_at = time.monotonic() + PATIENCE
    done = Progress()
    batches = redrive_matching(database, wanted, actor=actor, rate=rate, limit=limit)
    while time.monotonic() < ends_at and (so_far := next(batches, None)) is not None:
        done = so_far
    return _answer(done, dry_run=False, matched=done.seen, sample=[])


def _answer(done: Progress, **more: Any) -> dict[str, Any]:
    return {
        "redriven": done.redriven,
        "skipped": done.skipped.total(),
        "skipped_because": dict(done.skipped),
        "more": done.more,
        "until": done.until,
        **more,
    }
