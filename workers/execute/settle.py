"""The end of an attempt: success, another try, or a dead letter, each by a guarded move on a session of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import patiently
from gristmill.shared.errors import PermanentError
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.failure import Failure, describe
from gristmill.shared.outcomes import Cancel, Discard
from gristmill.shared.retry import GiveUp, RetryPolicy, decide
from gristmill.shared.states import AttemptOutcome, DeadReason

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)
WHILE_IT_RAN: Final = "cancelled while it ran"


def end_failed(database: Database, job: moves.Claimed, policy: RetryPolicy, error: BaseException) -> bool:
    """End an attempt that raised. Returns whether the job is dead now."""
    failure = describe(error, task=job.task)
    crash_point("settle.before_failure")

    def act() -> bool:
        with database.transaction() as session:
            return settle_failure(
                session,
                job_id=job.id,
                task=job.task,
                attempt=job.attempt,
                max_attempts=job.max_attempts,
                policy=policy,
                error=error,
                failure=failure,
                outcome=AttemptOutcome.FAILED,
            )

    dead = patiently(act)
    crash_point("settle.after_failure")
    return dead


def settle_failure(
    session: Session,
    *,
    job_id: UUID,
    task: str,
    attempt: int,
    max_attempts: int,
    policy: RetryPolicy,
    error: BaseException,
    failure: Failure,
    outcome: AttemptOutcome,
) -> bool:
    """Move a failed or lost attempt on: to another try or to its dead letter. Returns whether the job is dead now."""
    decision = decide(
        policy,
        attempt=attempt,
        max_attempts=max_attempts,
        error=error,
        jitter=random.random(),  # noqa: S311  spread, not secrecy
    )
    fields: dict[str, Any] = {"job_id": str(job_id), "task": task, "attempt": attempt, "error": failure.code}
    if isinstance(decision, GiveUp):
        moved = moves.kill(session, job_id, attempt, reason=decision.reason, failure=failure, outcome=outcome)
        log.warning("job.dead" if moved else "job.fenced", reason=str(decision.reason), **fields)
        return moved
    if moves.retry(session, job_id, attempt, delay=decision.delay, failure=failure, outcome=outcome):
        log.info("job.retried", delay=round(decision.delay.total_seconds(), 3), **fields)
        return False
    # It did not move: it was fenced, or is to be cancelled.
    moved = moves.cancel(session, job_id, attempt, reason=f"{WHILE_IT_RAN}; it then failed: {failure.message}")
    log.info("job.cancelled" if moved else "job.fenced", **fields)
    return False


def end_unwanted(database: Database, job: moves.Claimed, outcome: Discard | Cancel) -> bool:
    """End an attempt whose handler returned Discard or Cancel. Returns whether the job is dead now."""

    def act() -> bool:
        with database.transaction() as session:
            if isinstance(outcome, Cancel):
                moved = moves.cancel(session, job.id, job.attempt, reason=outcome.reason)
                log.info("job.cancelled" if moved else "job.fenced", job_id=str(job.id), reason=outcome.reason)
                return False
            failure = describe(PermanentError(outcome.reason, code=outcome.code), task=job.task)
            moved = moves.kill(session, job.id, job.attempt, reason=DeadReason.DISCARDED, failure=failure)
            log.info("job.discarded" if moved else "job.fenced", job_id=str(job.id), code=outcome.code)
            return moved

    return patiently(act)


def end_succeeded(database: Database, job: moves.Claimed, result: object) -> None:
    """End an attempt whose effects are outside already: keep trying to say so, for a repeat could do them again."""

    def act() -> None:
        with database.transaction() as session:
            if not moves.succeed(session, [(job.id, job.attempt, result)]):
                log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)

    patiently(act)


def snooze_or_cancel(session: Session, job: moves.Claimed, delay: timedelta) -> bool:
    """Put a job back to wait, or end it when it was asked to be cancelled. Returns whether either moved it."""
    return moves.snooze(session, job.id, job.attempt, delay=delay) or moves.cancel(
        session, job.id, job.attempt, reason=WHILE_IT_RAN
    )


def end_snoozed(database: Database, job: moves.Claimed, delay: timedelta) -> None:
    """Put a job back to wait by a transaction of its own."""

    def act() -> None:
        with database.transaction() as session:
            if not snooze_or_cancel(session, job, delay):
                log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)

    patiently(act)


def end_given_back(database: Database, jobs: Sequence[moves.Claimed]) -> None:
    """Put jobs that were claimed and not begun back to wait, for another worker: this one was told to stop."""
    attempts = [(job.id, job.attempt) for job in jobs]

    def act() -> set[UUID]:
        with database.transaction() as session:
            moved = moves.give_back(session, attempts)
            for job_id, attempt in attempts:
                if job_id not in moved:  # asked to be cancelled meanwhile, or no longer ours
                    moves.cancel(session, job_id, attempt, reason="cancelled before it began")
            crash_point("settle.before_giving_back")
        return moved

    moved = patiently(act)
    crash_point("settle.after_giving_back")
    log.info("jobs.given_back", task=jobs[0].task, jobs=len(moved), of=len(jobs))
