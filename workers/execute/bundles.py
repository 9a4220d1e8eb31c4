"""Execute jobs whose effects are in Postgres: one transaction, one commit for all their effects and their ends."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import patiently
from gristmill.shared.context import TaskSession
from gristmill.shared.errors import FenceLostError
from gristmill.shared.jobs import leases, moves
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.workers.celery.app import hard_limit
from gristmill.workers.execute import settle
from gristmill.workers.execute.handlers import HANDLER_ERRORS, Handlers, checked, is_plain
from gristmill.workers.execute.time_limit import alarm_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.task import Task
    from gristmill.workers.execute.heartbeat import Watch

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ended:
    """What became of the jobs of a bundle whose attempt did not succeed: settled after the successes are committed.

    By then their locks are free: another worker may fence what was given back.
    """

    failed: list[tuple[moves.Claimed, BaseException]] = field(default_factory=list)
    unwanted: list[tuple[moves.Claimed, Discard | Cancel]] = field(default_factory=list)
    rest: list[moves.Claimed] = field(default_factory=list)  # not begun, because the worker was told to stop


class _NotAllSucceededError(Exception):
    """A handler of the bundle wants something else to become of its job."""


class Bundles:
    """T2 of database tasks.

    The jobs of a bundle are first run together, in one session that writes what they all did at once. Where one of them
    does anything but succeed, all of it is rolled back, and they are run again, each in a savepoint of its own: so a
    failure costs its own job an attempt and nobody else's, and success costs no savepoint.

    A worker that is told to stop finishes the job it is at: what is done is committed, the rest is given back.
    """

    def __init__(
        self, database: Database, watch: Watch, handlers: Handlers, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._database = database
        self._watch = watch
        self._handlers = handlers
        self._is_stopping = is_stopping

    def run(self, task: Task, jobs: list[moves.Claimed]) -> Ended:
        """Run the handlers of `jobs`, and commit the ends of those that succeeded."""
        ended = Ended()
        if self._is_stopping():
            ended.rest = jobs
            return ended
        try:
            with self._watch.over(jobs), alarm_clock():
                if len(jobs) == 1 or not self._run_together(task, jobs, ended):
                    self._run_apart(task, jobs, ended)
        except Exception as error:  # noqa: BLE001  whatever ended the transaction, its jobs must be settled
            # The transaction is gone, or the outcome of its COMMIT is unknown: the guarded moves that follow find out.
            log.warning("bundle.failed", task=task.name, jobs=len(jobs), error=f"{type(error).__name__}: {error}"[:300])
            told = (
                {job.id for job, _ in ended.failed}
                | {job.id for job, _ in ended.unwanted}
                | {job.id for job in ended.rest}
            )
            ended.failed += [(job, error) for job in jobs if job.id not in told]
        return ended

    def _run_together(self, task: Task, jobs: list[moves.Claimed], ended: Ended) -> bool:
        """Run all handlers in one session. Returns False when they did not all succeed: nothing of it is left then."""
        try:
            transaction, connection, platform, mine = self._begin(task, jobs)
            with transaction:
                session = self._task_session(connection, shared=False)
                outcomes = self._handlers.call_many(
                    task,
                    mine,
                    session=session,
                    is_cancelled=lambda job: leases.cancel_requested(session, job.id),
                    is_stopping=self._is_stopping,
                )
                begun, rest = mine[: len(outcomes)], mine[len(outcomes) :]
                if not all(map(is_plain, outcomes)):
                    raise _NotAllSucceededError
                results = [checked(outcome) for outcome in outcomes]
                session.finish()
                self._succeed(
                    platform, [(job.id, job.attempt, result) for job, result in zip(begun, results, strict=True)]
                )
            ended.rest = rest
            crash_point("executor.after_commit")
        except HANDLER_ERRORS as error:
            log.info("bundle.parted", task=task.name, jobs=len(jobs), error=f"{type(error).__name__}: {error}"[:300])
            return False
        return True

    def _run_apart(self, task: Task, jobs: list[moves.Claimed], ended: Ended) -> None:
        """Run each handler in a savepoint of its own; a job that came alone needs none."""
        transaction, connection, platform, mine = self._begin(task, jobs)
        with transaction:
            done: list[tuple[UUID, int, Any]] = []
            for at, job in enumerate(mine):
                if at and self._is_stopping():
                    ended.rest = mine[at:]
                    break
                session = self._task_session(connection, shared=len(mine) > 1)
                try:
                    outcome = self._call(task, job, session)
                    result = checked(outcome)
                    if not isinstance(outcome, (Discard, Cancel)):
                        session.finish()  # writes what is pending: what breaks there is this job's failure, not all's
                except HANDLER_ERRORS as error:
                    session.drop()
                    ended.failed.append((job, error))
                    if len(mine) == 1:
                        return
                    continue
                if isinstance(outcome, (Discard, Cancel)):
                    session.drop()
                    ended.unwanted.append((job, outcome))
                    continue
                if isinstance(outcome, Snooze):
                    if not settle.snooze_or_cancel(platform, job, outcome.delay):
                        raise fenced(job)
                else:
                    done.append((job.id, job.attempt, result))
            self._succeed(platform, done)
        crash_point("executor.after_commit")

    def _call(self, task: Task, job: moves.Claimed, session: TaskSession) -> Any:
        def is_cancelled() -> bool:
            return leases.cancel_requested(session, job.id)

        outcome = self._handlers.call(task, job, session=session, is_cancelled=is_cancelled)
        if isinstance(outcome, Snooze) and is_cancelled():
            return Cancel(settle.WHILE_IT_RAN)  # what it did so far is rolled back
        return outcome

    def _succeed(self, platform: Session, done: list[tuple[UUID, int, Any]]) -> None:
        crash_point("executor.after_handler")
        if done and len(moves.succeed(platform, done)) != len(done):
            raise FenceLostError("Another attempt has taken over a job of this bundle")
        crash_point("executor.before_commit")

    def _begin(
        self, task: Task, jobs: list[moves.Claimed]
    ) -> tuple[ExitStack, Connection, Session, list[moves.Claimed]]:
        """Open T2 and fence `jobs`. A connection that is cut before a handler has begun costs no attempt."""

        def act() -> tuple[ExitStack, Connection, Session, list[moves.Claimed]]:
            with ExitStack() as transaction:
                connection = transaction.enter_context(self._database.engine.begin())
                platform = transaction.enter_context(self._database.session(connection))
                mine = self._fence(platform, task, jobs)
                return transaction.pop_all(), connection, platform, mine

        return patiently(act)

    def _fence(self, session: Session, task: Task, jobs: list[moves.Claimed]) -> list[moves.Claimed]:
        """Take the locks of `jobs` and return those whose attempt is still the current one."""
        attempts = [(job.id, job.attempt) for job in jobs]
        current = leases.fence(session, attempts, timeout=hard_limit(task, len(jobs)))
        for job in jobs:
            if job.id not in current:
                log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)
        return [job for job in jobs if job.id in current]

    def _task_session(self, connection: Connection, *, shared: bool) -> TaskSession:
        """Make the session of a handler: with `shared`, in a savepoint of a transaction that others work in, too."""
        return TaskSession(
            connection,
            expire_on_commit=False,
            info=self._database.session_info,
            join_transaction_mode="create_savepoint" if shared else "rollback_only",
        )


def fenced(job: moves.Claimed) -> FenceLostError:
    """Return the error of an attempt that is no longer its job's current one."""
    return FenceLostError(f"Attempt {job.attempt} of job {job.id} is no longer the current one")
