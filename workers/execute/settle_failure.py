"""Settle a failed or lost attempt: retry its job, make it a dead letter, or cancel it as somebody asked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import structlog

from gristmill.shared.jobs import moves
from gristmill.shared.retry import GiveUp, RetryPolicy, decide

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.failure import Failure
    from gristmill.shared.jobs.leases import Overdue
    from gristmill.shared.states import AttemptOutcome

log = structlog.get_logger(__name__)
WHILE_IT_RAN: Final = "cancelled while it ran"


def settle_failure(
    session: Session,
    job: moves.Claimed | Overdue,
    *,
    policy: RetryPolicy,
    error: BaseException,
    failure: Failure,
    outcome: AttemptOutcome,
) -> bool:
    """Move a failed or lost attempt to another try or to its dead letter. Returns whether the job is dead now."""
    decision = decide(
        policy,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        error=error,
        jitter=random.random(),  # noqa: S311  spread, not secrecy
    )
    fields: dict[str, Any] = {"job_id": str(job.id), "task": job.task, "attempt": job.attempt, "error": failure.code}
    if isinstance(decision, GiveUp):
        moved = moves.kill(session, job.id, job.attempt, reason=decision.reason, failure=failure, outcome=outcome)
        log.warning("job.dead" if moved else "job.fenced", reason=str(decision.reason), **fields)
        return moved
    if moves.retry(session, job.id, job.attempt, delay=decision.delay, failure=failure, outcome=outcome):
        log.info("job.retried", delay=round(decision.delay.total_seconds(), 3), **fields)
    else:  # it was fenced, or is to be cancelled
        reason = f"{WHILE_IT_RAN}; it then failed: {failure.message}"
        moved = moves.cancel(session, job.id, job.attempt, reason=reason)
        log.info("job.cancelled" if moved else "job.fenced", **fields)
    return False
