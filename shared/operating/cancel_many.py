"""Cancel many jobs by a filter, in batches: those that wait end at once, those that run are ended by their workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.jobs import moves
from gristmill.shared.operating.queries_job_lists import find_cancellable, lock_cancellable
from gristmill.shared.states import State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification

BATCH: Final = 300  # jobs a transaction: short enough that nobody waits long for its locks
MOST_AT_ONCE: Final = 10_000  # jobs that one search finds; some seconds of work


@dataclass(slots=True, kw_only=True)
class Progress:
    """What became of the jobs so far.

    Attributes:
        cancelled: how many waited, and have ended.
        asked: how many run; their workers are told, and end them unless they end by themselves first.
        skipped: how many did not fit any more when it was their turn: they were claimed, settled or cancelled.
        more: whether further ones fit.
    """

    cancelled: int = 0
    asked: int = 0
    skipped: int = 0
    more: bool = True

    @property
    def seen(self) -> int:
        """How many jobs were looked at."""
        return self.cancelled + self.asked + self.skipped


def cancel_matching(
    database: Database, wanted: Specification, *, actor: str, limit: int = MOST_AT_ONCE
) -> Iterator[Progress]:
    """Cancel the jobs that match and have not ended, a transaction for some hundreds.

    Each is locked and looked at again before it is moved. Stopping in between is harmless: what was yielded is
    committed.

    Args:
        database: where they are.
        wanted: which.
        actor: who does it, for the record.
        limit: at most so many jobs.

    Yields:
        The progress, after each commit and at the end; the same object each time.

    Raises:
        FilterTooSlowError: the filter has to look at too much; nothing was done.
    """
    with database.transaction() as session:
        found = find_cancellable(session, wanted, limit=limit + 1)
    progress = Progress()
    chosen, held = found[:limit], list[UUID]()
    batches = [chosen[first : first + BATCH] for first in range(0, len(chosen), BATCH)]
    for number, batch in enumerate(batches, 1):
        with database.transaction() as session:
            states = lock_cancellable(session, batch, wanted, wait=False)
            _cancel(session, states, wanted, progress, actor=actor)
        held += [job_id for job_id in batch if job_id not in states]
        progress.more = number < len(batches) or bool(held) or len(found) > limit
        yield progress
    for job_id in held:  # by a claim or a settle of this moment, or they do not fit any more
        with database.transaction() as session:
            states = lock_cancellable(session, [job_id], wanted, wait=True)
            _cancel(session, states, wanted, progress, actor=actor)
        progress.skipped += 1 - len(states)
        yield progress  # there may be thousands, and each may be waited for: who has no more time stops here
    progress.more = len(found) > limit
    yield progress


def _cancel(
    session: Session, states: dict[UUID, str], wanted: Specification, progress: Progress, *, actor: str
) -> None:
    """Move what the session holds locked, and write down what was done."""
    if not states:
        return
    running = {job_id for job_id, state in states.items() if state == State.RUNNING}
    cancelled = moves.cancel_waiting(session, sorted(states.keys() - running))
    asked = moves.request_cancels(session, sorted(running))
    progress.cancelled += len(cancelled)
    progress.asked += len(asked)
    record_act(
        session,
        actor=actor,
        action="jobs.cancel",
        subject="jobs",
        filter=wanted.plain(),
        cancelled=len(cancelled),
        asked=len(asked),
    )
