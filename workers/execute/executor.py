"""Execute a hint: claim its jobs, run their handlers by the kind of their effects, and settle what did not succeed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import patiently
from gristmill.shared.dead_letters.queries_broker_letters import insert_malformed
from gristmill.shared.errors import FenceLostError
from gristmill.shared.jobs import leases, moves
from gristmill.shared.jobs.failure import fingerprint, without_variables
from gristmill.shared.jobs.hints import find_states
from gristmill.shared.operating.queries_pause import hold_refused
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.shared.states import WAITING
from gristmill.shared.task import Task, registry
from gristmill.workers.execute import settle
from gristmill.workers.execute.bundles import Bundles, Ended, fenced
from gristmill.workers.execute.handlers import HANDLER_ERRORS, Handlers, checked
from gristmill.workers.execute.heartbeat import Watch
from gristmill.workers.execute.time_limit import alarm_clock

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)
UNKNOWN_TASK_PAUSE: Final = timedelta(seconds=30)  # a deployment is under way: a newer worker will know the task


class Executor:
    """Executes hints in one worker process, tells `begun` how many attempts it begins, and stops when it is told to."""

    def __init__(
        self,
        database: Database,
        *,
        worker: str,
        queue: str,
        begun: Callable[[int], object] = lambda _: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database = database
        self._begun = begun
        self._is_stopping = is_stopping
        self._queue = queue
        self._settings = database.settings
        self._worker = worker
        self._watch = Watch(database, lease=self._settings.lease, grace=self._settings.cancel_grace)
        self._handlers = Handlers(self._settings)
        self._bundles = Bundles(database, self._watch, self._handlers, is_stopping)

    def execute(self, ids: list[UUID]) -> bool:
        """Run those of `ids` that are due, each to the end of one attempt; when told to stop, give the rest back.

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
        self._begun(len(claimed))
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
            task = registry.get(name)
            dead |= self._end(task, self._bundles.run(task, jobs))
        for task, job in outside:
            dead |= self._end(task, Ended(rest=[job])) if self._is_stopping() else self._execute_outside(task, job)
        return dead

    def _claim(self, ids: list[UUID]) -> list[moves.Claimed]:
        """T1: begin an attempt of each job that is due, and end those that waited too long."""
        outside = [task.name for task in registry if task.effects == "outside"]

        def claim() -> list[moves.Claimed]:
            with self._database.autocommit() as session:
                return moves.claim(session, ids, worker=self._worker, lease=self._settings.lease, durable=outside)

        claimed = patiently(claim)
        if len(claimed) < len(ids):
            rest = set(ids) - {job.id for job in claimed}

            def look() -> None:
                with self._database.transaction() as session:
                    self._look_at_rest(session, rest)

            patiently(look)
        return claimed

    def _look_at_rest(self, session: Session, ids: set[UUID]) -> None:
        """Most of what cannot be claimed is done or running.

        What waited too long ends, what waits in a paused queue is held, what is no job at all is kept as a letter.
        """
        for job_id in moves.expire(session, list(ids)):
            log.warning("job.expired", job_id=str(job_id))
        standing = find_states(session, list(ids))
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

        patiently(act)

    def _keep_malformed(self, session: Session, task: str | None, body: bytes, problem: str) -> None:
        log.warning("hint.refused", task=task, problem=problem)
        kind = fingerprint("malformed", self._queue, without_variables(problem))
        insert_malformed(session, queue=self._queue, task=task, problem=problem, fingerprint=kind, raw_body=body)

    def _execute_outside(self, task: Task, job: moves.Claimed) -> bool:
        """Run a handler that talks to the world: no transaction is open while it waits, a heartbeat keeps its lease."""
        try:
            with self._watch.over([job]) as guard, alarm_clock():
                outcome = self._handlers.call(
                    task,
                    job,
                    open_transaction=lambda: self._fenced_transaction(job),
                    is_cancelled=lambda: guard.is_cancelled(job.id),
                )
                result = checked(outcome)
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
                raise fenced(job)
            yield session

    def _end(self, task: Task, ended: Ended) -> bool:
        """T3: settle what did not succeed, on sessions of its own. Returns whether a job is dead now."""
        dead = False
        for job, error in ended.failed:
            dead |= settle.end_failed(self._database, job, task.retry, error)
        for job, outcome in ended.unwanted:
            dead |= settle.end_unwanted(self._database, job, outcome)
        if ended.rest:
            settle.end_given_back(self._database, ended.rest)
        return dead
