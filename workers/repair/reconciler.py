"""Take over running jobs whose worker is gone: retry them, or make them dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.errors import WorkerLostError
from gristmill.shared.jobs import leases, moves
from gristmill.shared.jobs.failure import describe
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.states import AttemptOutcome
from gristmill.shared.task import registry
from gristmill.workers.execute.settle_failure import settle_failure

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)
BATCH: Final = 100  # jobs a round: their rows are locked until it commits


def take_over_lost(database: Database) -> int:
    """Move running jobs whose lease is over and that no worker executes. Returns how many were moved.

    A transactional attempt holds its advisory lock as long as its worker lives. So a free lock means that the worker is
    gone, and a held one prolongs the lease. An attempt with outside effects holds no lock and renews its lease itself.
    A crash costs the attempt that was counted at claim, and a back-off.
    """
    with database.transaction() as session:
        overdue = leases.lock_overdue(session, limit=BATCH)
        if not overdue:
            return 0
        free = leases.try_lock(session, [job.id for job in overdue])
        for job in overdue:
            if job.id in free:
                _take_over(session, job)
            else:
                leases.renew_all(session, [(job.id, job.attempt)], lease=database.settings.lease)
        crash_point("reconciler.before_commit")
    crash_point("reconciler.after_commit")
    return len(free)


def _take_over(session: Session, job: leases.Overdue) -> None:
    if job.cancel_requested:
        moved = moves.cancel(session, job.id, job.attempt, reason="cancelled while it ran; its process was ended")
        log.info("job.cancelled" if moved else "job.fenced", job_id=str(job.id), attempt=job.attempt)
        return
    log.warning("job.taken_over", job_id=str(job.id), attempt=job.attempt, worker=job.worker)
    task = registry.find(job.task)
    error = _lost(job)
    settle_failure(
        session,
        job,
        policy=task.retry if task is not None else RetryPolicy(),
        error=error,
        failure=describe(error, task=job.task),
        outcome=AttemptOutcome.LOST,
    )


def _lost(job: leases.Overdue) -> WorkerLostError:
    return WorkerLostError(
        f"Worker {job.worker} was lost in attempt {job.attempt}: it was killed, ran out of memory or past its limit"
    )
