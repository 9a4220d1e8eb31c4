"""A worker: one group of child processes that consumes one queue."""

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
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gristmill.shared.base import garbage_collection
from gristmill.shared.base.die_with_parent import die_with
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import broker_kind
from gristmill.workers.celery import topology
from gristmill.workers.celery.app import BROKER_AWAY, BROKER_TIMEOUT, make_app
from gristmill.workers.celery.stopping import Stopping
from gristmill.workers.celery.worker_report import Tally, WorkerPulse
from gristmill.workers.execute.executor import Executor
from gristmill.workers.hint_size import TurnIsOverError, portion_of, portions
from gristmill.workers.loop import Stop, repeat
from gristmill.workers.report import Pulse

if TYPE_CHECKING:
    from celery import Celery

    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Task

log = structlog.get_logger(__name__)


class Child:
    """What one child process keeps between hints: made after the fork, closed at its end."""

    def __init__(self, settings: Settings, queue: str, tally: Tally, stopping: Stopping) -> None:
        self._settings = settings
        self._queue = queue
        self._tally = tally
        self._stopping = stopping
        self._parent = os.getpid()
        self._database: Database | None = None
        self._executor: Executor | None = None

    def start(self, **_: Any) -> None:
        """Begin: die with the parent, and make connections of our own."""
        if os.getpid() != self._parent:
            die_with(self._parent)  # the claim of its job makes that safe
        name = f"{self._queue}@{socket.gethostname()}:{os.getpid()}"
        self._database = Database(self._settings, application_name=f"gristmill {name}", pool_size=1, pre_ping=False)
        number: int = getattr(current_process(), "index", 0)
        self._executor = Executor(
            self._database,
            worker=name,
            queue=self._queue,
            begun=partial(self._tally.add, number),
            is_stopping=self._stopping.is_told,
        )

    def stop(self, **_: Any) -> None:
        """Close the connections."""
        if self._database is not None:
            self._database.dispose()

    def run(self, task: Task, ids: list[str]) -> None:
        """Execute one hint; returning acknowledges it.

        Raises:
            Reject: into the dead-letter queue when its only job is dead or it cannot be read; back into the queue
                when the database stayed away, or when some of its jobs are for another turn or another worker.
        """
        if self._executor is None:  # a pool that does not fork (solo) sends no signal
            self.start()
            assert self._executor is not None  # noqa: S101  start() made it
        try:
            job_ids = [UUID(text) for text in ids]
        except (TypeError, ValueError, AttributeError) as error:
            self._executor.refuse(task.name, repr(ids).encode(errors="replace"), f"the ids are not UUIDs: {error}")
            return
        dead = False
        try:
            for portion in portions(job_ids, portion_of(task), self._stopping.is_told):
                dead = self._executor.execute(list(portion))
        except TurnIsOverError as error:
            raise Reject("the hint goes on in another turn; what is done is not claimed again", requeue=True) from error
        except (DBAPIError, PoolTimeoutError) as error:
            log.warning("hint.given_back", task=task.name, error=type(error).__name__)
            raise Reject("the database is away; the hint goes back into the queue", requeue=True) from error
        if dead and len(job_ids) == 1:
            raise Reject("the job is dead; its letter is in Postgres", requeue=False)


def run(settings: Settings, *, queue: str, concurrency: int) -> None:
    """Consume `queue` with `concurrency` child processes until SIGTERM; each then finishes the job that it runs.

    Args:
        settings: where Postgres and the broker are.
        queue: a name of `gristmill.shared.queues.QUEUES`.
        concurrency: child processes, each of which runs one hint at a time.
    """
    tally = Tally(concurrency)
    stopping = Stopping()
    child = Child(settings, queue, tally, stopping)
    worker_shutting_down.connect(stopping.tell, weak=False)
    worker_process_init.connect(child.start, weak=False)
    worker_process_shutdown.connect(child.stop, weak=False)
    app = make_app(settings, child.run)
    name = f"{queue}@{socket.gethostname()}:{os.getpid()}"  # several of a queue may run on one machine
    database = Database(settings, application_name=f"gristmill {name}", pool_size=1)
    pulse = Pulse(database, "worker", name=name, queue=queue, children=concurrency)
    if broker_kind(settings) == "rabbitmq" and not _declare_topology(app, pulse):
        return
    told = WorkerPulse(pulse, tally)
    app.conf.gristmill_pulse = told
    worker = app.Worker(
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
    garbage_collection.collect_seldom()  # its children inherit it
    worker.start()
    told.stop()
    raise SystemExit(worker.exitcode or 0)


def _declare_topology(app: Celery, pulse: Pulse) -> bool:
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
            pulse.beat(trouble=error)
            raise
        finally:
            connection.collect()
        declared = True
        stop.set()
        return 0

    repeat(tick, stop, name="worker", expected=BROKER_AWAY)
    return declared
