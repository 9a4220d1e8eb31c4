"""Run Celery's beat with a scheduler on Postgres, so that any number of beats fire each schedule once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from celery.beat import Scheduler

from gristmill.shared.base.breaker import Backoff
from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.shared.schedules.fire import fire_due
from gristmill.shared.schedules.queries import seconds_to_next_fire
from gristmill.workers.celery.app import make_app
from gristmill.workers.report import ProcessReporter

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings

log = structlog.get_logger(__name__)


class PostgresScheduler(Scheduler):
    """Claims due schedules with SKIP LOCKED; the fire row, the job and its hint commit together.

    Nothing is sent to the broker from here, and nothing is kept in memory: a beat that dies in the middle leaves the
    schedule due, and another one (or its next start) fires it.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self._settings: Settings = app.conf.gristmill_settings
        self._database = Database(self._settings, application_name="gristmill beat", pool_size=1)
        self._backoff = Backoff()
        self._reporter = ProcessReporter(self._database, "beat")
        self._synced = False
        super().__init__(app, **kwargs)

    def setup_schedule(self) -> None:
        """Do nothing: the schedules are rows."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Fire what is due and return the seconds until the next call."""
        try:
            fired, due_in = self._fire_due()
        except DATABASE_ERRORS as error:
            say = log.debug if self._backoff.failures else log.warning  # a warning once
            pause = self._backoff.next()
            say("beat.waits", error=f"{type(error).__name__}: {error}"[:300], pause=round(pause, 2))
            return pause
        self._backoff.reset()
        self._reporter.report(acted=bool(fired))
        for schedule, count in fired.items():
            log.info("schedule.fired", schedule=schedule, jobs=count)
        poll = self._settings.beat_poll
        return poll if due_in is None else max(0.001, min(poll, due_in))

    def _fire_due(self) -> tuple[dict[str, int], float | None]:
        """Return how many jobs each schedule made, and the seconds until the next one is due."""
        with self._database.transaction() as session:
            if not self._synced:
                sync_schedules(session, load_plugins().schedules)
            fired = fire_due(session)
            due_in = seconds_to_next_fire(session)
            if fired:
                crash_point("beat.before_commit")
        if fired:
            crash_point("beat.after_commit")
        self._synced = True
        return fired, due_in

    def should_sync(self) -> bool:
        """Return False: every tick commits."""
        return False

    def close(self) -> None:
        """Report that the beat ends, and close its connections."""
        self._reporter.stop()
        self._database.dispose()

    @property
    def info(self) -> str:
        """The line of the scheduler in Celery's banner."""
        return "    . schedules -> Postgres"


def run(settings: Settings) -> None:
    """Run a beat until SIGTERM or SIGINT."""
    app = make_app(settings)
    app.conf.gristmill_settings = settings
    log.info("beat.started", poll=settings.beat_poll)
    app.Beat(quiet=True, loglevel=settings.log_level, redirect_stdouts=False).run()
