"""Settle attempts: success, another try, or a dead letter, each by a guarded move on a session of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import patiently
from gristmill.shared.errors import PermanentError
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.failure import describe
from gristmill.shared.outcomes import Cancel, Discard
from gristmill.shared.states import AttemptOutcome, DeadReason
from gristmill.workers.execute.settle_failure import WHILE_IT_RAN, settle_failure

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.retry import RetryPolicy
    from gristmill.shared.task import Task

log = structlog.get_logger(__name__)
UNKNOWN_TASK_PAUSE: Final = timedelta(seconds=30)  # a deployment is under way: a newer worker will know the task


@dataclass(slots=True)
class Unsuccessful:
    """Jobs of a task whose attempt did not succeed, by what is to become of them.

    They are settled after the successes are committed. By then their locks are free: another worker may fence what was
    given back.
    """

    failed: list[tuple[moves.Claimed, BaseException]] = field(default_factory=list)
    declined: list[tuple[moves.Claimed, Discard | Cancel]] = field(default_factory=list)  # what their handler returned
    not_begun: list[moves.Claimed] = field(default_factory=list)  # because the worker was told to stop


def end_unsuccessful(database: Database, task: Task, jobs: Unsuccessful) -> bool:
    """Settle what did not succeed: the last transactions of an attempt. Returns whether a job is dead now."""
    dead = False
    for job, error in jobs.failed:
        dead |= end_failed(database, job, task.retry, error)
    for job, outcome in jobs.declined:
        dead |= end_declined(database, job, outcome)
    if jobs.not_begun:
        end_given_back(database, jobs.not_begun)
    return dead


def end_failed(database: Database, job: moves.Claimed, policy: RetryPolicy, error: BaseException) -> bool:
    """End an attempt that raised. Returns whether the job is dead now."""
    failure = describe(error, task=job.task)
    crash_point("settle.before_failure")

    def act() -> bool:
        with database.transaction() as session:
            outcome = AttemptOutcome.FAILED
            return settle_failure(session, job, policy=policy, error=error, failure=failure, outcome=outcome)

    dead = patiently(act)
    crash_point("settle.after_failure")
    return dead


def end_declined(database: Database, job: moves.Claimed, outcome: Discard | Cancel) -> bool:
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
    """End an attempt whose effects are outside already: keep trying, for another attempt could do them again."""

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


def end_unknown(database: Database, jobs: Sequence[moves.Claimed]) -> None:
    """Put jobs back to wait whose task this worker does not know."""
    for job in jobs:
        log.warning("job.unknown_task", job_id=str(job.id), task=job.task)
        end_snoozed(database, job, UNKNOWN_TASK_PAUSE)


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
