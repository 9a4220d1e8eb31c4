"""Run the maintenance loops, which repair what a crash left behind; any number of processes may run them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.queries_broker_letters import write_missing_letters
from gristmill.shared.operating.pause import expire_held
from gristmill.shared.operating.queries_process_reports import delete_silent
from gristmill.shared.operating.queries_queue_depths import count_long_queues
from gristmill.shared.schedules.fire import fire_missed
from gristmill.workers.broker_errors import BROKER_AWAY
from gristmill.workers.celery.app import make_app
from gristmill.workers.loop import Stop, repeat
from gristmill.workers.repair import pruner, reconciler
from gristmill.workers.repair.broker_depths import BrokerView
from gristmill.workers.repair.lost_hints import LostHints
from gristmill.workers.repair.recorder import Recorder
from gristmill.workers.report import ProcessReporter

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings

log = structlog.get_logger(__name__)
EITHER_AWAY: Final[tuple[type[Exception], ...]] = (*DATABASE_ERRORS, *BROKER_AWAY)
Loop = tuple[Callable[[], float], tuple[type[Exception], ...]]  # what it repeats, and the errors that it survives
COUNT_EVERY: Final = 10.0  # seconds between two counts of queues that are too long to be counted on request
COUNT_SHARE: Final = 50.0  # at most a fiftieth of the time is spent on it
RARELY: Final = 30.0  # seconds between two checks for what hardly ever happens


class Maintenance:
    """The loops of one process: four on the database, and two that also need the broker and may wait for it."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self._settings = settings
        self._stop = stop
        self._database = Database(settings, application_name="gristmill maintenance", pool_size=5)
        self._reporter = ProcessReporter(self._database, "maintenance")
        app = make_app(settings)
        self._broker = BrokerView(app, settings)
        self._recorder = Recorder(self._database, BrokerView(app, settings))
        self._lost_hints = LostHints(self._database, self._broker.count_ready)
        self._problems: list[BaseException] = []

    def run(self) -> None:
        """Run every loop until asked to stop.

        Raises:
            BaseException: what ended a loop that should not have ended; the others are stopped, too.
        """
        self._run_in_threads(self._loops())
        self._reporter.stop()
        self._database.dispose()
        if self._problems:
            raise self._problems[0]

    def _loops(self) -> dict[str, Loop]:
        return {
            "reconciler": (self._reconcile, DATABASE_ERRORS),
            "repairs": (self._repair, DATABASE_ERRORS),
            "counts": (self._count_long_queues, DATABASE_ERRORS),
            "lost_hints": (self._find_lost_hints, EITHER_AWAY),
            "recorder": (self._record, EITHER_AWAY),
            "pruner": (self._prune, DATABASE_ERRORS),
        }

    def _run_in_threads(self, loops: dict[str, Loop]) -> None:
        threads = [threading.Thread(target=self._loop, args=(name, *loop), name=name) for name, loop in loops.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _loop(self, name: str, tick: Callable[[], float], expected: tuple[type[Exception], ...]) -> None:
        try:
            repeat(tick, self._stop, name=name, expected=expected)
        except BaseException as problem:  # noqa: BLE001  raised again in the main thread
            self._problems.append(problem)
            self._stop.set()

    def _reconcile(self) -> float:
        lost = reconciler.take_over_lost(self._database)
        self._reporter.report(acted=lost > 0)
        with self._database.transaction() as session:
            expired = expire_held(session, limit=reconciler.BATCH)
        return 0.0 if reconciler.BATCH in (lost, expired) else self._settings.maintenance_poll

    def _repair(self) -> float:
        with self._database.transaction() as session:
            for job_id in write_missing_letters(session):
                log.warning("dead_letter.missing", job_id=str(job_id))
            for schedule, jobs in fire_missed(session).items():
                log.warning("schedule.was_missed", schedule=schedule, jobs=jobs)
            delete_silent(session)
        return RARELY

    def _prune(self) -> float:
        return self._settings.maintenance_poll if pruner.prune(self._database) == pruner.BATCH else RARELY

    def _count_long_queues(self) -> float:
        began = time.monotonic()
        try:
            with self._database.transaction() as session:
                count_long_queues(session, fresh=COUNT_EVERY)
        except DATABASE_ERRORS as error:
            log.warning("queues.not_counted", error=type(error).__name__)
        # The longer a count takes, the rarer it is.
        return max(COUNT_EVERY, COUNT_SHARE * (time.monotonic() - began))

    def _find_lost_hints(self) -> float:
        try:
            self._lost_hints.look()
        except EITHER_AWAY:
            self._broker.forget()
            self._lost_hints.forget()
            raise
        return self._settings.look_interval

    def _record(self) -> float:
        return 0.0 if self._recorder.tick() else self._settings.maintenance_poll


def run(settings: Settings) -> None:
    """Run the maintenance loops until SIGTERM or SIGINT."""
    stop = Stop()
    stop.install()
    log.info("maintenance.started", poll=settings.maintenance_poll)
    Maintenance(settings, stop).run()
    log.info("maintenance.stopped")
