"""Run a worker: one group of child processes that consumes one queue."""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from billiard import current_process
from celery.exceptions import Reject
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down

from gristmill.shared.base import garbage_collection
from gristmill.shared.base.die_with_parent import die_with
from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.queues import PRIORITY_QUEUE
from gristmill.shared.settings import broker_kind
from gristmill.shared.task import registry
from gristmill.workers.broker_errors import BROKER_AWAY
from gristmill.workers.celery import topology
from gristmill.workers.celery.app import BROKER_TIMEOUT, make_app
from gristmill.workers.celery.stop_flag import StopFlag
from gristmill.workers.celery.worker_report import AttemptCounter, WorkerReporter
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.execute.unclaimed import refuse
from gristmill.workers.hint_size import TurnIsOverError, portion_size, split_hint
from gristmill.workers.loop import Stop, repeat
from gristmill.workers.report import ProcessReporter

if TYPE_CHECKING:
    from celery import Celery

    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Task

log = structlog.get_logger(__name__)


class Child:
    """The connections and the executor of one child process, made after the fork and closed at its end."""

    def __init__(self, settings: Settings, queue: str, counter: AttemptCounter, stop_flag: StopFlag) -> None:
        self._settings = settings
        self._queue = queue
        self._counter = counter
        self._stop_flag = stop_flag
        self._parent = os.getpid()
        self._started: tuple[Database, Executor] | None = None

    def start(self, **_: Any) -> None:
        """Make the child die with its parent, and make its connections."""
        if os.getpid() != self._parent:
            die_with(self._parent)  # the claim of its job makes that safe
        name = f"{self._queue}@{socket.gethostname()}:{os.getpid()}"
        database = Database(self._settings, application_name=f"gristmill {name}", pool_size=1, pre_ping=False)
        number: int = getattr(current_process(), "index", 0)
        executor = Executor(
            database,
            worker=name,
            queue=self._queue,
            begun=partial(self._counter.add, number),
            is_stopping=self._stop_flag.is_set,
        )
        self._started = database, executor

    def stop(self, **_: Any) -> None:
        """Close the connections."""
        if self._started is not None:
            self._started[0].dispose()

    def run(self, task: Task, ids: list[str]) -> None:
        """Execute one hint; returning acknowledges it.

        Raises:
            Reject: into the dead-letter queue when its only job is dead or it cannot be read; back into the queue
                when the database stayed away, or when some of its jobs are for another turn or another worker.
        """
        if self._started is None:  # a pool that does not fork (solo) sends no signal
            self.start()
            assert self._started is not None  # noqa: S101  start() made it
        database, executor = self._started
        try:
            job_ids = [UUID(text) for text in ids]
        except (TypeError, ValueError, AttributeError) as error:
            body, problem = repr(ids).encode(errors="replace"), f"the ids are not UUIDs: {error}"
            refuse(database, queue=self._queue, task=task.name, body=body, problem=problem)
            return
        dead = False
        try:
            for portion in split_hint(job_ids, portion_size(task), self._stop_flag.is_set):
                dead = executor.execute(list(portion))
        except TurnIsOverError as error:
            raise Reject(
                "the hint resumes in another turn; jobs that are done are not claimed again", requeue=True
            ) from error
        except DATABASE_ERRORS as error:
            log.warning("hint.given_back", task=task.name, error=type(error).__name__)
            raise Reject("the database is away; the hint goes back into the queue", requeue=True) from error
        if dead and len(job_ids) == 1:
            raise Reject("the job is dead; its dead letter is in Postgres", requeue=False)


def run(settings: Settings, *, queue: str, concurrency: int) -> None:
    """Consume `queue` with `concurrency` child processes until SIGTERM; each then finishes the job that it runs.

    Args:
        settings: where Postgres and the broker are.
        queue: a name of `gristmill.shared.queues.QUEUES`.
        concurrency: child processes, each of which runs one hint at a time.
    """
    _resolve_handlers(queue)
    counter = AttemptCounter(concurrency)
    stop_flag = StopFlag()
    child = Child(settings, queue, counter, stop_flag)
    worker_shutting_down.connect(stop_flag.set, weak=False)
    worker_process_init.connect(child.start, weak=False)
    worker_process_shutdown.connect(child.stop, weak=False)
    app = make_app(settings, child.run)
    name = f"{queue}@{socket.gethostname()}:{os.getpid()}"  # several of a queue may run on one machine
    database = Database(settings, application_name=f"gristmill {name}", pool_size=1)
    reporter = ProcessReporter(database, "worker", name=name, queue=queue, children=concurrency)
    if broker_kind(settings) == "rabbitmq" and not _declare_topology(app, reporter):
        return
    app.conf.gristmill_reporter = worker_reporter = WorkerReporter(reporter, counter)
    worker = _make_worker(app, settings, name=name, queue=queue, concurrency=concurrency)
    garbage_collection.collect_seldom()  # its children inherit it
    worker.start()
    worker_reporter.stop()
    raise SystemExit(worker.exitcode or 0)


def _resolve_handlers(queue: str) -> None:
    """Import, before the children are forked, the handlers that are named by text and may run here."""
    load_plugins()
    for task in registry:
        if queue in (task.queue.name, PRIORITY_QUEUE.name):
            task.resolve()


def _make_worker(app: Celery, settings: Settings, *, name: str, queue: str, concurrency: int) -> Any:
    return app.Worker(
        hostname=name,
        queues=[queue],
        concurrency=concurrency,
        pool="prefork",
        optimization="fair",
        task_events=settings.worker_events,
        without_gossip=True,
        without_mingle=True,
        loglevel=settings.log_level,
    )


def _declare_topology(app: Celery, reporter: ProcessReporter) -> bool:
    """Declare the queues, waiting for RabbitMQ as long as it takes. Returns False when asked to stop meanwhile."""
    stop = Stop()
    stop.install()
    declared = False

    def tick() -> float:
        nonlocal declared
        connection = app.connection_for_write()
        try:
            connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT)
            topology.declare(connection)
        except BROKER_AWAY as error:
            reporter.report(trouble=error)
            raise
        finally:
            connection.collect()
        declared = True
        stop.set()
        return 0

    repeat(tick, stop, name="worker", expected=BROKER_AWAY)
    return declared
