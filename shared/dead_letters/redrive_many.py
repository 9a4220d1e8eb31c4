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
from gristmill.shared.dead_letters.queries import Redrivable, list_oldest
from gristmill.shared.dead_letters.redrive import redrive_if_unique
from gristmill.shared.errors import ConflictError
from gristmill.shared.filters.comparisons import Less
from gristmill.shared.filters.everyday import OPEN
from gristmill.shared.filters.fields import LETTERS
from gristmill.shared.jobs import moves
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification

BATCH: Final = 300  # letters a transaction: short enough that nobody waits long for its locks


@dataclass(slots=True, kw_only=True)
class Progress:
    """What became of the letters so far.

    Attributes:
        skipped: how many stayed, by why: `unique_key` (a live job has it), `unknown_task`, `no_job`, or `resolved`
            (somebody else was faster).
        until: when the last of them is due.
        more: whether further ones match.
    """

    redriven: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    until: datetime | None = None
    more: bool = True

    @property
    def seen(self) -> int:
        """How many letters were looked at."""
        return self.redriven + self.skipped.total()


def redrive_matching(
    database: Database, wanted: Specification, *, actor: str, rate: float | None = None, limit: int | None = None
) -> Iterator[Progress]:
    """Redrive the open letters that match and are there now, oldest first, a transaction for some hundreds.

    Jobs that die again meanwhile are left alone. Stopping in between is harmless: what was yielded is committed.

    Args:
        database: where they are.
        wanted: which of the open ones.
        actor: who does it, for the record.
        rate: jobs a second: their start is spread from now on. None lets all start at once.
        limit: at most so many letters.

    Yields:
        The progress, after each commit; the same object each time.
    """
    with database.transaction() as session:
        now = read_clock(session)
    there_now = wanted & OPEN & Less(LETTERS["created_at"], now)
    spacing = 1 / rate if rate is not None else 0.0
    progress = Progress()
    after: Redrivable | None = None
    while progress.more and (limit is None or progress.seen < limit):
        size = BATCH if limit is None else min(BATCH, limit - progress.seen)
        with database.transaction() as session:
            page = list_oldest(session, there_now, limit=size + 1, after=after)
            if page:
                after = page[:size][-1]
                batch = _redrive_page(session, page[:size], actor=actor, placed=progress.redriven, spacing=spacing)
                _record_batch(session, batch, wanted, actor=actor, rate=rate)
                crash_point("redrive.before_commit")
                progress.redriven += batch.redriven
                progress.skipped += batch.skipped
                progress.until = max(filter(None, (progress.until, batch.until)), default=None)
        progress.more = len(page) > size
        yield progress


def _redrive_page(session: Session, page: list[Redrivable], *, actor: str, placed: int, spacing: float) -> Progress:
    """Redrive by one statement what cannot collide, and what has a unique key one by one."""
    batch = Progress()
    plain: list[UUID] = []
    unique: list[UUID] = []
    for letter in page:
        if letter.job_id is None:
            batch.skipped["no_job"] += 1
        elif letter.task is None or registry.find(letter.task) is None:
            batch.skipped["unknown_task"] += 1
        else:
            (unique if letter.unique else plain).append(letter.job_id)
    moved = moves.redrive(session, plain, actor=actor, start=placed * spacing, spacing=spacing) if plain else []
    batch.skipped["resolved"] += len(plain) - len(moved)
    for job_id in unique:
        try:
            one = redrive_if_unique(session, job_id, actor=actor, start=(placed + len(moved)) * spacing)
        except ConflictError:
            batch.skipped["unique_key"] += 1
            continue
        if one is None:
            batch.skipped["resolved"] += 1
        else:
            moved.append(one)
    batch.redriven = len(moved)
    batch.until = max((one.run_at for one in moved), default=None)
    batch.skipped = +batch.skipped
    return batch


def _record_batch(session: Session, batch: Progress, wanted: Specification, *, actor: str, rate: float | None) -> None:
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
