"""Relay the hints that are due from the outbox to the broker, at least once."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg2
import psycopg2.extensions
import structlog

from gristmill.shared.base import garbage_collection
from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.database.connect import Database, listening
from gristmill.shared.jobs.insert import OUTBOX_CHANNEL
from gristmill.shared.jobs.outbox import seconds_to_next, take_due
from gristmill.shared.operating.queries_pause import hold, hold_undeclared, list_releasable, release
from gristmill.shared.queues import QUEUES
from gristmill.workers.broker_errors import BROKER_AWAY
from gristmill.workers.celery.app import make_app
from gristmill.workers.loop import Stop, repeat
from gristmill.workers.relay.backlog import Backlog
from gristmill.workers.relay.bundling import bundle_hints
from gristmill.workers.relay.publish import Publisher, make_publisher
from gristmill.workers.report import ProcessReporter

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings

log = structlog.get_logger(__name__)
RELEASE_EVERY: Final = 0.25  # seconds between two releases of held hints while there is enough to publish
RELEASE_BATCHES: Final = 4  # of as many hints as are published at once: 8,000 a second beside a full load of others


class Relay:
    """One relay. Any number of them work side by side: each takes rows that no other holds."""

    def __init__(self, settings: Settings, database: Database, publisher: Publisher, stop: Stop) -> None:
        self._settings = settings
        self._database = database
        self._publisher = publisher
        self._backlog = Backlog(publisher)
        self._stop = stop
        self._listener: psycopg2.extensions.connection | None = None
        self._release_at = 0.0
        self._reporter = ProcessReporter(database, "relay")

    def tick(self) -> float:
        """Publish what is due, then wait for a notification, for the next hint that is due, or for the slow poll.

        Returns:
            0: call again immediately, since this method has waited already.
        """
        try:
            published = self.publish_due()
        except BROKER_AWAY as error:
            self._reporter.report(trouble=error)
            raise
        self._reporter.report(acted=published > 0)
        if not published or time.monotonic() >= self._release_at:
            self._release_at = time.monotonic() + RELEASE_EVERY
            published += self.release_held()
        if not published:
            self._listen()
        return 0

    def publish_due(self) -> int:
        """Publish one batch of due hints and return their number; those of paused or undeclared queues are held.

        The rows are deleted in the transaction that waits for the confirms. A crash or a refusal gives them back, so a
        hint may be published twice and is never lost. A commit that is lost in a crash of the database server also
        means twice; so it need not wait for the disk.
        """
        self._publisher.connect()
        with self._database.transaction(asynchronous_commit=True) as session:
            due = take_due(session, limit=self._settings.relay_batch, without=self._backlog.resting)
            if held := [hint for hint in due if hint.paused]:
                hold(session, held)
            if undeclared := [hint for hint in due if hint.queue not in QUEUES and not hint.paused]:
                hold_undeclared(session, undeclared)
                log.warning("relay.queue_undeclared", queues=sorted({hint.queue for hint in undeclared}))
            here = [hint for hint in due if not hint.paused and hint.queue in QUEUES]
            hints = bundle_hints(here, deep=self._backlog.deep)
            if due:
                crash_point("relay.before_publish")
                self._publisher.publish(hints)
                crash_point("relay.after_publish")
        if due:
            crash_point("relay.after_commit")
            self._backlog.measure(hints, more=len(due) == self._settings.relay_batch)
        return len(due)

    def release_held(self) -> int:
        """Put some batches of held hints of each resumed queue back into the outbox, and return their number."""
        with self._database.transaction() as session:
            limit = RELEASE_BATCHES * self._settings.relay_batch
            declared = [queue for queue in list_releasable(session) if queue in QUEUES]
            return sum(release(session, queue, limit=limit) for queue in declared)

    def close(self) -> None:
        """Report that the relay ends, and close its connections."""
        self._reporter.stop()
        self._publisher.forget()
        self._stop_listening()

    def _listen(self) -> None:
        """Wait for a notification, for the time the next hint is due, or for the poll, whichever is first."""
        listener = self._listening()
        with self._database.transaction() as session:
            due_in = seconds_to_next(session, without=self._backlog.resting)
        waits = (self._settings.relay_poll, due_in, self._backlog.pause)
        pause = min(seconds for seconds in waits if seconds is not None)
        try:
            if pause > 0 and not listener.notifies and self._stop.wait(pause, listener):
                listener.poll()
            listener.notifies.clear()
        except psycopg2.Error:
            self._stop_listening()
            raise

    def _listening(self) -> psycopg2.extensions.connection:
        if self._listener is None or self._listener.closed:
            self._listener = listening(self._settings, OUTBOX_CHANNEL, application_name="gristmill relay (listen)")
        else:
            self._listener.poll()
        return self._listener

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(psycopg2.Error):
                listener.close()


def run(settings: Settings) -> None:
    """Run a relay until SIGTERM or SIGINT."""
    stop = Stop()
    stop.install()
    database = Database(settings, application_name="gristmill relay", pool_size=1)
    relay = Relay(settings, database, make_publisher(make_app(settings), settings), stop)
    log.info("relay.started", batch=settings.relay_batch, poll=settings.relay_poll)
    garbage_collection.collect_seldom()
    try:
        repeat(relay.tick, stop, name="relay", expected=(*DATABASE_ERRORS, *BROKER_AWAY))
    finally:
        relay.close()
        database.dispose()
    log.info("relay.stopped")
