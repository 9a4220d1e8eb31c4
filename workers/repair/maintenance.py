"""The maintenance process: the loops that repair what a crash left behind. Any number of them may run side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gristmill import tasks  # noqa: F401  fills the registry: retry policies are read from it
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.queries_broker_letters import write_missing_letters
from gristmill.shared.operating.pause import expire_held
from gristmill.shared.operating.queries_process_reports import delete_silent
from gristmill.shared.operating.queries_queue_depths import count_long_queues
from gristmill.shared.schedules.fire import fire_missed
from gristmill.workers.celery.app import BROKER_AWAY, make_app
from gristmill.workers.loop import Stop, repeat
from gristmill.workers.repair.broker_depths import BrokerView
from gristmill.workers.repair.lost_hints import LostHints
from gristmill.workers.repair.pruner import BITE, prune
from gristmill.workers.repair.reconciler import BATCH, take_over_lost
from gristmill.workers.repair.recorder import Recorder
from gristmill.workers.report import Pulse

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings

log = structlog.get_logger(__name__)
DATABASE_AWAY: Final = (SQLAlchemyError,)
EITHER_AWAY: Final[tuple[type[Exception], ...]] = (*DATABASE_AWAY, *BROKER_AWAY)
COUNT_EVERY: Final = 10.0  # seconds between two counts of queues that are too long to be counted by whoever looks
COUNT_SHARE: Final = 50.0  # at most a fiftieth of the time is spent on it
RARELY: Final = 30.0  # seconds between two looks for what hardly ever happens


class Maintenance:
    """The loops of one process: one on the database, and two that also need the broker and may wait for it."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self._settings = settings
        self._stop = stop
        self._database = Database(settings, application_name="gristmill maintenance", pool_size=5)
        self._pulse = Pulse(self._database, "maintenance")
        app = make_app(settings)
        self._view = BrokerView(app, settings)
        self._recorder = Recorder(self._database, BrokerView(app, settings))
        self._lost_hints = LostHints(self._database, self._view.count_ready)
        self._problems: list[BaseException] = []

    def run(self) -> None:
        """Run every loop until asked to stop.

        Raises:
            BaseException: what ended a loop that should not have ended; the others are stopped, too.
        """
        loops: dict[str, tuple[Callable[[], float], tuple[type[Exception], ...]]] = {
            "reconciler": (self._reconcile, DATABASE_AWAY),
            "repairs": (self._repair, DATABASE_AWAY),
            "counts": (self._count_long_queues, DATABASE_AWAY),
            "lost_hints": (self._look_for_lost_hints, EITHER_AWAY),
            "recorder": (self._record, EITHER_AWAY),
            "pruner": (self._prune, DATABASE_AWAY),
        }
        threads = [
            threading.Thread(target=self._loop, args=(name, tick, expected), name=name)
            for name, (tick, expected) in loops.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._pulse.stop()
        self._database.dispose()
        if self._problems:
            raise self._problems[0]

    def _loop(self, name: str, tick: Callable[[], float], expected: tuple[type[Exception], ...]) -> None:
        try:
            repeat(tick, self._stop, name=name, expected=expected)
        except BaseException as problem:  # noqa: BLE001  raised again in the main thread
            self._problems.append(problem)
            self._stop.set()

    def _reconcile(self) -> float:
        lost = take_over_lost(self._database)
        self._pulse.beat(acted=lost > 0)
        with self._database.transaction() as session:
            expired = expire_held(session, limit=BATCH)
        return 0.0 if BATCH in (lost, expired) else self._settings.maintenance_poll

    def _repair(self) -> float:
        with self._database.transaction() as session:
            for job_id in write_missing_letters(session):
                log.warning("dead_letter.missing", job_id=str(job_id))
            for schedule, jobs in fire_missed(session).items():
                log.warning("schedule.was_missed", schedule=schedule, jobs=jobs)
            delete_silent(session)
        return RARELY

    def _prune(self) -> float:
        return self._settings.maintenance_poll if prune(self._database) == BITE else RARELY

    def _count_long_queues(self) -> float:
        began = time.monotonic()
        try:
            with self._database.transaction() as session:
                count_long_queues(session, fresh=COUNT_EVERY)
        except SQLAlchemyError as error:
            log.warning("queues.not_counted", error=type(error).__name__)
        # A count that takes long, or too long, comes the more seldom.
        return max(COUNT_EVERY, COUNT_SHARE * (time.monotonic() - began))

    def _look_for_lost_hints(self) -> float:
        try:
            self._lost_hints.look()
        except EITHER_AWAY:
            self._view.forget()
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
