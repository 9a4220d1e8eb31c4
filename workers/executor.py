"""Execute a hint: claim its jobs, run their handlers, commit their effects together with their completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
import structlog

from shared.context import Context, TaskSession
from shared.crashpoints import crash_point
from shared.errors import FenceLostError, PermanentError
from shared.failure import fingerprint, without_variables
from shared.outcomes import Cancel, Discard, Snooze
from shared.queries import leases, moves
from shared.queries.evidence import insert_malformed
from shared.queries.hints import find_standing
from shared.queries.pausing import hold_refused
from shared.sealing import unseal
from shared.states import WAITING
from shared.task import Task, registry
from workers import settle
from workers.app import hard_limit
from workers.deadline import time_limit
from workers.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from shared.db import Database

log = structlog.get_logger(__name__)
# What a handler may raise that ends its attempt and not its process: `sys.exit()` in a handler is a failure, too.
HANDLER_ERRORS: Final = (Exception, SystemExit)
RESULT_LIMIT: Final = 65_536  # bytes of JSON: a result is an answer, not a document
UNKNOWN_TASK_PAUSE: Final = timedelta(seconds=30)  # a deployment is under way: a newer worker will know the task


@dataclass(slots=True)
class Ended:
    """What became of the jobs of a bundle whose attempt did not succeed: settled after the successes are committed."""

    failed: list[tuple[moves.Claimed, BaseException]] = field(default_factory=list)
    unwanted: list[tuple[moves.Claimed, Discard | Cancel]] = field(default_factory=list)


class Executor:
    """Executes hints in one worker process."""

    def __init__(self, database: Database, *, worker: str, queue: str) -> None:
        self._database = database
        self._queue = queue
        self._settings = database.settings
        self._worker = worker
        self._watch = Watch(database, lease=self._settings.lease, grace=self._settings.cancel_grace)

    def execute(self, ids: list[UUID]) -> bool:
        """Run those of `ids` that are due, each to the end of one attempt.

        Returns:
            Whether a job is dead now, so that its message belongs into the dead-letter queue, too.

        Raises:
            sqlalchemy.exc.OperationalError: the database stayed away; nothing is lost, the hint has to come again.
        """
        dead = False
        crash_point("executor.before_claim")
        outside: list[tuple[Task, moves.Claimed]] = []
        bundles: dict[str, list[moves.Claimed]] = {}
        claimed = self._claim(ids)
        crash_point("executor.after_claim")
        for job in claimed:
            task = registry.find(job.task)
            if task is None:
                log.warning("job.unknown_task", job_id=str(job.id), task=job.task)
                settle.end_snoozed(self._database, job, UNKNOWN_TASK_PAUSE)
            elif task.effects == "outside":
                outside.append((task, job))
            else:
                bundles.setdefault(job.task, []).append(job)
        for name, jobs in bundles.items():
            dead |= self._execute_bundle(registry.get(name), jobs)
        for task, job in outside:
            dead |= self._execute_outside(task, job)
        return dead

    def _claim(self, ids: list[UUID]) -> list[moves.Claimed]:
        """T1: begin an attempt of each job that is due, and end those that waited too long."""
        outside = [task.name for task in registry if task.effects == "outside"]

        def act() -> list[moves.Claimed]:
            with self._database.autocommit() as session:
                claimed = moves.claim(session, ids, worker=self._worker, lease=self._settings.lease, durable=outside)
                if len(claimed) < len(ids):
                    self._look_at_rest(session, set(ids) - {job.id for job in claimed})
                return claimed

        return settle.patiently(act)

    def _look_at_rest(self, session: Session, ids: set[UUID]) -> None:
        """Most of what cannot be claimed is done or running.

        What waited too long ends, what waits in a paused queue is held, what is no job at all is kept as a letter.
        """
        for job_id in moves.expire(session, list(ids)):
            log.warning("job.expired", job_id=str(job_id))
        standing = find_standing(session, list(ids))
        waiting = [job_id for job_id, job in standing.items() if job.state in WAITING]
        if waiting and (held := hold_refused(session, waiting)):
            log.info("hint.held", queue=self._queue, hints=len(held))
        for job_id in ids - standing.keys():
            self._keep_malformed(session, None, str(job_id).encode(), f"no job has the id {job_id}")

    def refuse(self, task: str, body: bytes, problem: str) -> None:
        """Keep a hint that cannot be read as a dead letter of its own."""

        def act() -> None:
            with self._database.transaction() as session:
                self._keep_malformed(session, task, body, problem)

        settle.patiently(act)

    def _keep_malformed(self, session: Session, task: str | None, body: bytes, problem: str) -> None:
        log.warning("hint.refused", task=task, problem=problem)
        kind = fingerprint("malformed", self._queue, without_variables(problem))
        insert_malformed(session, queue=self._queue, task=task, problem=problem, fingerprint=kind, raw_body=body)

    def _execute_bundle(self, task: Task, jobs: list[moves.Claimed]) -> bool:
        """T2 of database tasks: all handlers and all completions in one transaction, one commit."""
        ended = Ended()
        try:
            with self._watch.over(jobs):
                self._run_bundle(task, jobs, ended)
        except Exception as error:  # noqa: BLE001  whatever ended the transaction, its jobs must be settled
            # The transaction is gone, or the outcome of its COMMIT is unknown: the guarded moves below find out.
            log.warning("bundle.failed", task=task.name, jobs=len(jobs), error=f"{type(error).__name__}: {error}"[:300])
            told = {job.id for job, _ in ended.failed} | {job.id for job, _ in ended.unwanted}
            ended.failed += [(job, error) for job in jobs if job.id not in told]
        return self._end(task, ended)

    def _run_bundle(self, task: Task, jobs: list[moves.Claimed], ended: Ended) -> None:
        transaction, connection, platform, mine = self._begin(task, jobs)
        with transaction:
            done: list[tuple[UUID, int, Any]] = []
            for job in mine:
                session = self._task_session(connection, shared=len(mine) > 1)
                try:
                    outcome = self._call(task, job, session)
                    checked = _checked(outcome)
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
                        raise _fenced(job)
                else:
                    done.append((job.id, job.attempt, checked))
            crash_point("executor.after_handler")
            if done and len(moves.succeed(platform, done)) != len(done):
                raise _fenced(mine[0])
            crash_point("executor.before_commit")
        crash_point("executor.after_commit")

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

        return settle.patiently(act)

    def _fence(self, session: Session, task: Task, jobs: list[moves.Claimed]) -> list[moves.Claimed]:
        """Take the locks of `jobs` and return those whose attempt is still the current one."""
        attempts = [(job.id, job.attempt) for job in jobs]
        current = leases.fence(session, attempts, patience=hard_limit(task, len(jobs)))
        for job in jobs:
            if job.id not in current:
                log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)
        return [job for job in jobs if job.id in current]

    def _task_session(self, connection: Connection, *, shared: bool) -> TaskSession:
        """Make the session of one job: in a bundle it works in a savepoint of its own."""
        return TaskSession(
            connection,
            expire_on_commit=False,
            info=self._database.session_info,
            join_transaction_mode="create_savepoint" if shared else "rollback_only",
        )

    def _call(self, task: Task, job: moves.Claimed, session: TaskSession) -> Any:
        def is_cancelled() -> bool:
            return leases.cancel_requested(session, job.id)

        context = self._context(job, bound_session=session, is_cancelled=is_cancelled)
        with time_limit(task.time_limit):
            outcome = task(context, **self._args(task, job))
        if isinstance(outcome, Snooze) and is_cancelled():
            return Cancel(settle.WHILE_IT_RAN)  # what it did so far is rolled back
        return outcome

    def _execute_outside(self, task: Task, job: moves.Claimed) -> bool:
        """Run a handler that talks to the world: no transaction is open while it waits, a heartbeat keeps its lease."""
        try:
            with self._watch.over([job]) as guard:
                context = self._context(
                    job,
                    open_transaction=lambda: self._fenced_transaction(job),
                    is_cancelled=lambda: guard.is_cancelled(job.id),
                )
                with time_limit(task.time_limit):
                    outcome = task(context, **self._args(task, job))
                result = _checked(outcome)
        except FenceLostError:
            log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)
            return False
        except HANDLER_ERRORS as error:
            return self._end(task, Ended(failed=[(job, error)]))
        if isinstance(outcome, (Discard, Cancel)):
            return self._end(task, Ended(unwanted=[(job, outcome)]))
        if isinstance(outcome, Snooze):
            settle.end_snoozed(self._database, job, outcome.delay)
        else:
            crash_point("executor.after_handler")
            settle.end_succeeded(self._database, job, result)
            crash_point("executor.after_commit")
        return False

    @contextmanager
    def _fenced_transaction(self, job: moves.Claimed) -> Iterator[Session]:
        with self._database.transaction() as session:
            if not leases.is_current(session, job.id, job.attempt):
                raise _fenced(job)
            yield session

    def _context(
        self,
        job: moves.Claimed,
        *,
        is_cancelled: Callable[[], bool],
        bound_session: Session | None = None,
        open_transaction: Any = None,
    ) -> Context:
        return Context(
            job_id=job.id,
            task=job.task,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            settings=self._settings,
            traceparent=job.traceparent,
            bound_session=bound_session,
            open_transaction=open_transaction,
            is_cancelled=is_cancelled,
        )

    def _args(self, task: Task, job: moves.Claimed) -> dict[str, Any]:
        return task.load_args(unseal(self._settings.secret_key, job.args, task.secret_args))

    def _end(self, task: Task, ended: Ended) -> bool:
        """T3: settle what did not succeed, on sessions of its own. Returns whether a job is dead now."""
        dead = False
        for job, error in ended.failed:
            dead |= settle.end_failed(self._database, job, task.retry, error)
        for job, outcome in ended.unwanted:
            dead |= settle.end_unwanted(self._database, job, outcome)
        return dead


def _checked(outcome: Any) -> Any:
    """Return the result of a handler as JSON knows it, None for an outcome that is not a result.

    Raises:
        PermanentError: it is no JSON, or too large; running the handler again would not change that.
    """
    if outcome is None or isinstance(outcome, (Discard, Cancel, Snooze)):
        return None
    try:
        encoded = orjson.dumps(outcome)
    except orjson.JSONEncodeError as error:
        msg = f"The handler returned what JSON cannot hold: {error}"
        raise PermanentError(msg, code="RESULT_INVALID") from error
    if len(encoded) > RESULT_LIMIT:
        msg = f"The handler returned {len(encoded)} bytes; a result may have {RESULT_LIMIT}"
        raise PermanentError(msg, code="RESULT_TOO_LARGE")
    return orjson.loads(encoded)


def _fenced(job: moves.Claimed) -> FenceLostError:
    return FenceLostError(f"Attempt {job.attempt} of job {job.id} is no longer the current one")
