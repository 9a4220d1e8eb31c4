"""Redrive many dead letters by a filter, in batches, at a rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.database.clock import read_clock
from gristmill.shared.dead_letters.filter import LETTERS, OPEN
from gristmill.shared.dead_letters.queries import Redrivable, list_redrivable
from gristmill.shared.dead_letters.redrive import redrive_if_unique
from gristmill.shared.errors import ConflictError
from gristmill.shared.filters.comparisons import Less
from gristmill.shared.jobs import moves
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification

BATCH: Final = 300  # dead letters a transaction: it is short, so others do not wait long for its locks


@dataclass(slots=True, kw_only=True)
class RedriveProgress:
    """The result of a redrive so far.

    Attributes:
        redriven: dead letters whose jobs wait again.
        skipped: the number left open by reason: `unique_key` (a live job has it), `unknown_task`, `no_job`, or
            `resolved` (by somebody else in the meantime).
        until: when the last of the jobs is due.
        more: whether further dead letters match.
    """

    redriven: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    until: datetime | None = None
    more: bool = True

    @property
    def seen(self) -> int:
        """The number of dead letters handled."""
        return self.redriven + self.skipped.total()

    def add(self, batch: RedriveProgress) -> None:
        """Add the result of another batch; `more` stays."""
        self.redriven += batch.redriven
        self.skipped += batch.skipped
        self.until = max(filter(None, (self.until, batch.until)), default=None)


def redrive_matching(
    database: Database, wanted: Specification, *, actor: str, rate: float | None = None, limit: int | None = None
) -> Iterator[RedriveProgress]:
    """Redrive the open dead letters that match now, oldest first, in transactions of some hundreds.

    Jobs that die again in the meantime are left alone. Stopping in between is harmless: what was yielded is committed.

    Args:
        database: where the dead letters are.
        wanted: which of the open ones.
        actor: who redrives them, for the audit log.
        rate: jobs a second: their start is spread from now on. None starts all of them immediately.
        limit: at most so many dead letters.

    Yields:
        The progress, after each commit; the same object each time.
    """
    with database.transaction() as session:
        now = read_clock(session)
    matching = wanted & OPEN & Less(LETTERS["created_at"], now)
    spacing = 1 / rate if rate is not None else 0.0
    progress = RedriveProgress()
    after: Redrivable | None = None
    while progress.more and (limit is None or progress.seen < limit):
        size = BATCH if limit is None else min(BATCH, limit - progress.seen)
        with database.transaction() as session:
            page = list_redrivable(session, matching, limit=size + 1, after=after)
            if page:
                after = page[:size][-1]
                batch = _redrive_page(session, page[:size], actor=actor, before=progress.redriven, spacing=spacing)
                _record_batch(session, batch, wanted, actor=actor, rate=rate)
                crash_point("redrive.before_commit")
                progress.add(batch)
        progress.more = len(page) > size
        yield progress


def _redrive_page(
    session: Session, page: list[Redrivable], *, actor: str, before: int, spacing: float
) -> RedriveProgress:
    """Redrive by one statement the jobs that cannot collide, and one by one those with a unique key.

    Args:
        session: the caller's.
        page: the dead letters.
        actor: who redrives them.
        before: the number of jobs redriven before, which start first.
        spacing: seconds between the starts of two jobs.
    """
    batch = RedriveProgress()
    runnable = [letter for letter in page if _is_runnable(letter, batch)]
    plain = [letter.job_id for letter in runnable if letter.job_id is not None and not letter.unique]
    unique = [letter.job_id for letter in runnable if letter.job_id is not None and letter.unique]
    moved = moves.redrive(session, plain, actor=actor, start=before * spacing, spacing=spacing) if plain else []
    batch.skipped["resolved"] += len(plain) - len(moved)
    for job_id in unique:
        moved += _redrive_unique(session, job_id, batch, actor=actor, start=(before + len(moved)) * spacing)
    batch.redriven = len(moved)
    batch.until = max((one.run_at for one in moved), default=None)
    batch.skipped = +batch.skipped
    return batch


def _is_runnable(letter: Redrivable, batch: RedriveProgress) -> bool:
    if letter.job_id is None:
        batch.skipped["no_job"] += 1
        return False
    if letter.task is None or registry.find(letter.task) is None:
        batch.skipped["unknown_task"] += 1
        return False
    return True


def _redrive_unique(
    session: Session, job_id: UUID, batch: RedriveProgress, *, actor: str, start: float
) -> list[moves.Redriven]:
    try:
        moved = redrive_if_unique(session, job_id, actor=actor, start=start)
    except ConflictError:
        batch.skipped["unique_key"] += 1
        return []
    if moved is None:
        batch.skipped["resolved"] += 1
        return []
    return [moved]


def _record_batch(
    session: Session, batch: RedriveProgress, wanted: Specification, *, actor: str, rate: float | None
) -> None:
    record_act(
        session,
        actor=actor,
        action="dead_letters.redrive",
        subject="dead_letters",
        filter=wanted.plain(),
        rate=rate,
        redriven=batch.redriven,
        skipped=dict(batch.skipped),
    )
