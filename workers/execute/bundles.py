"""Run jobs whose effects are in Postgres: one transaction, one commit for all their effects and their ends."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import patiently
from gristmill.shared.database.task_session import TaskSession
from gristmill.shared.errors import FenceLostError
from gristmill.shared.jobs import leases, moves
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.workers.execute.fence import fence, fence_lost
from gristmill.workers.execute.handlers import HANDLER_ERRORS, Handlers, checked, is_plain
from gristmill.workers.execute.settle import Unsuccessful, snooze_or_cancel
from gristmill.workers.execute.settle_failure import WHILE_IT_RAN
from gristmill.workers.execute.time_limit import alarm_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.task import Task
    from gristmill.workers.execute.heartbeat import Heartbeat

log = structlog.get_logger(__name__)


class _NotAllSucceededError(Exception):
    """A handler of the bundle returned an outcome that is not a result."""


class Bundles:
    """Runs the bundles of one worker process, each in the second transaction of its attempts.

    The jobs of a bundle are first run together, in one session that writes what they all did at once. When one of them
    does anything but succeed, all of it is rolled back, and they are run again, each in a savepoint of its own. So a
    failure costs its own job an attempt and nobody else's, and success costs no savepoint.

    A worker that is told to stop finishes the job it is at: what is done is committed, the rest is given back.
    """

    def __init__(
        self, database: Database, heartbeat: Heartbeat, handlers: Handlers, is_stopping: Callable[[], bool]
    ) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._handlers = handlers
        self._is_stopping = is_stopping

    def run(self, task: Task, jobs: list[moves.Claimed]) -> Unsuccessful:
        """Run the handlers of `jobs`, and commit the ends of those that succeeded."""
        others = Unsuccessful()
        if self._is_stopping():
            others.not_begun = jobs
            return others
        try:
            with self._heartbeat.renewing(jobs), alarm_clock():
                if len(jobs) == 1 or not self._run_together(task, jobs, others):
                    self._run_apart(task, jobs, others)
        except Exception as error:  # noqa: BLE001  whatever ended the transaction, its jobs must be settled
            # The transaction is gone, or the outcome of its COMMIT is unknown: the guarded moves that follow find out.
            log.warning("bundle.failed", task=task.name, jobs=len(jobs), error=f"{type(error).__name__}: {error}"[:300])
            known = {job.id for job, _ in others.failed + others.declined} | {job.id for job in others.not_begun}
            others.failed += [(job, error) for job in jobs if job.id not in known]
        return others

    def _run_together(self, task: Task, jobs: list[moves.Claimed], others: Unsuccessful) -> bool:
        """Run all handlers in one session. Returns False when one did not succeed: all of it is rolled back then."""
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
            others.not_begun = rest
            crash_point("executor.after_commit")
        except HANDLER_ERRORS as error:
            log.info("bundle.split", task=task.name, jobs=len(jobs), error=f"{type(error).__name__}: {error}"[:300])
            return False
        return True

    def _run_apart(self, task: Task, jobs: list[moves.Claimed], others: Unsuccessful) -> None:
        """Run each handler in a savepoint of its own; a job that came alone needs none."""
        transaction, connection, platform, mine = self._begin(task, jobs)
        with transaction:
            done: list[tuple[UUID, int, Any]] = []
            for at, job in enumerate(mine):
                if at and self._is_stopping():
                    others.not_begun = mine[at:]
                    break
                session = self._task_session(connection, shared=len(mine) > 1)
                try:
                    outcome = self._call(task, job, session)
                    result = checked(outcome)
                    if not isinstance(outcome, (Discard, Cancel)):
                        session.finish()  # writes what is pending: what breaks there is this job's failure, not all's
                except HANDLER_ERRORS as error:
                    session.drop()
                    others.failed.append((job, error))
                    if len(mine) == 1:
                        return
                    continue
                if isinstance(outcome, (Discard, Cancel)):
                    session.drop()
                    others.declined.append((job, outcome))
                    continue
                if isinstance(outcome, Snooze):
                    if not snooze_or_cancel(platform, job, outcome.delay):
                        raise fence_lost(job)
                else:
                    done.append((job.id, job.attempt, result))
            self._succeed(platform, done)
        crash_point("executor.after_commit")

    def _call(self, task: Task, job: moves.Claimed, session: TaskSession) -> Any:
        def is_cancelled() -> bool:
            return leases.cancel_requested(session, job.id)

        outcome = self._handlers.call(task, job, session=session, is_cancelled=is_cancelled)
        if isinstance(outcome, Snooze) and is_cancelled():
            return Cancel(WHILE_IT_RAN)  # what it did so far is rolled back
        return outcome

    def _succeed(self, platform: Session, done: list[tuple[UUID, int, Any]]) -> None:
        crash_point("executor.after_handler")
        if done and len(moves.succeed(platform, done)) != len(done):
            raise FenceLostError("Another attempt has taken over a job of this bundle")
        crash_point("executor.before_commit")

    def _begin(
        self, task: Task, jobs: list[moves.Claimed]
    ) -> tuple[ExitStack, Connection, Session, list[moves.Claimed]]:
        """Begin the transaction and fence `jobs`. A connection that is cut before a handler begins costs no attempt."""

        def act() -> tuple[ExitStack, Connection, Session, list[moves.Claimed]]:
            with ExitStack() as transaction:
                connection = transaction.enter_context(self._database.engine.begin())
                platform = transaction.enter_context(self._database.session(connection))
                mine = fence(platform, task, jobs)
                return transaction.pop_all(), connection, platform, mine

        return patiently(act)

    def _task_session(self, connection: Connection, *, shared: bool) -> TaskSession:
        """Make the session of a handler: with `shared`, in a savepoint of a transaction that others work in, too."""
        return TaskSession(
            connection,
            expire_on_commit=False,
            info=self._database.session_info,
            join_transaction_mode="create_savepoint" if shared else "rollback_only",
        )
