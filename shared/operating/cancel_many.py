"""Cancel many jobs by a filter, in batches: waiting jobs end immediately, running ones are ended by their workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

BATCH: Final = 300  # jobs a transaction: it is short, so others do not wait long for its locks
MOST_AT_ONCE: Final = 10_000  # jobs of one search; some seconds of work


@dataclass(slots=True, kw_only=True)
class CancelProgress:
    """The result of a cancellation so far.

    Attributes:
        cancelled: waiting jobs that have ended.
        asked: running jobs whose workers are asked to end them; one may still end by itself first.
        skipped: jobs that no longer matched when it was their turn: they were claimed, settled or cancelled.
        more: whether further jobs match.
    """

    cancelled: int = 0
    asked: int = 0
    skipped: int = 0
    more: bool = True

    @property
    def seen(self) -> int:
        """The number of jobs handled."""
        return self.cancelled + self.asked + self.skipped


def cancel_matching(
    database: Database, wanted: Specification, *, actor: str, limit: int = MOST_AT_ONCE
) -> Iterator[CancelProgress]:
    """Cancel the live jobs that match, in transactions of some hundreds.

    Each job is locked and checked again before it is moved. Stopping in between is harmless: what was yielded is
    committed.

    Args:
        database: where the jobs are.
        wanted: which jobs.
        actor: who cancels them, for the audit log.
        limit: at most so many jobs.

    Yields:
        The progress, after each commit and at the end; the same object each time.

    Raises:
        FilterTooSlowError: the filter would have to scan too much; nothing was changed.
    """
    with database.transaction() as session:
        found = find_cancellable(session, wanted, limit=limit + 1)
    progress = CancelProgress()
    chosen, held = found[:limit], list[UUID]()
    batches = [chosen[first : first + BATCH] for first in range(0, len(chosen), BATCH)]
    for number, batch in enumerate(batches, 1):
        held += _cancel_batch(database, batch, wanted, progress, actor=actor, wait=False)
        progress.more = number < len(batches) or bool(held) or len(found) > limit
        yield progress
    for job_id in held:  # a claim or a settlement has them locked at this moment, or they no longer match
        progress.skipped += len(_cancel_batch(database, [job_id], wanted, progress, actor=actor, wait=True))
        yield progress  # there may be thousands, each with a wait: a caller that is out of time stops here
    progress.more = len(found) > limit
    yield progress


def _cancel_batch(
    database: Database,
    batch: Sequence[UUID],
    wanted: Specification,
    progress: CancelProgress,
    *,
    actor: str,
    wait: bool,
) -> list[UUID]:
    """Cancel a batch in one transaction, and return the jobs left out: they are locked or no longer match."""
    with database.transaction() as session:
        states = lock_cancellable(session, batch, wanted, wait=wait)
        if states:
            _cancel(session, states, wanted, progress, actor=actor)
    return [job_id for job_id in batch if job_id not in states]


def _cancel(
    session: Session, states: dict[UUID, str], wanted: Specification, progress: CancelProgress, *, actor: str
) -> None:
    """Move jobs that the session has locked, and record it."""
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
