"""Wait for the ends of jobs: one connection that listens for all who wait in this process."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg2
import psycopg2.extensions
import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.db import connect_options, libpq_url
from shared.queries.statement import ENDED_CHANNEL
from shared.queries.watching import watch

if TYPE_CHECKING:
    from shared.db import Database

log = structlog.get_logger(__name__)
LONGEST_WAIT: Final = 20.0  # seconds; below the 25 that a process has to finish its requests when it is to end
_LINGER: Final = 30.0  # seconds that the connection is kept when nobody waits any more
_PAUSE: Final = 0.5  # seconds between two tries to connect
_CONNECT_PATIENCE: Final = 5.0  # seconds that one who waits gives the connection to come up


class Waiters:
    """Lets any number of threads wait for jobs, up to `most` at a time.

    Each first is heard (the connection listens), then marks its job, then looks: the move that ends a job either
    commits before the mark, which then finds it ended, or sees the mark and tells.
    """

    def __init__(self, database: Database, *, most: int) -> None:
        self._database = database
        self._room = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._calls: dict[UUID, set[threading.Event]] = {}
        self._listens = threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self, job_id: UUID, seconds: float) -> None:
        """Return when the job has ended, after `seconds` at the latest; at once when too many wait already."""
        deadline = time.monotonic() + min(seconds, LONGEST_WAIT)
        if not self._room.acquire(blocking=False):
            log.warning("wait.no_room", job_id=str(job_id))
            return
        try:
            with self._called_for(job_id) as called, suppress(SQLAlchemyError):
                self._wait(job_id, called, deadline)
        finally:
            self._room.release()

    def _wait(self, job_id: UUID, called: threading.Event, deadline: float) -> None:
        while (left := deadline - time.monotonic()) > 0:
            if not self._listens.wait(min(left, _CONNECT_PATIENCE)):
                return
            called.clear()
            with self._database.transaction() as session:
                if not watch(session, job_id, seconds=left):
                    return
            called.wait(max(0.0, deadline - time.monotonic()))

    @contextmanager
    def _called_for(self, job_id: UUID) -> Iterator[threading.Event]:
        """Yield what is set when the job has ended, or when something may have been missed."""
        called = threading.Event()
        with self._lock:
            self._calls.setdefault(job_id, set()).add(called)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="waiters", daemon=True)
                self._thread.start()
        try:
            yield called
        finally:
            with self._lock:
                waiting = self._calls[job_id]
                waiting.discard(called)
                if not waiting:
                    del self._calls[job_id]

    def _listen(self) -> None:
        """Keep one connection that listens, until nobody has waited for a while."""
        while True:
            try:
                self._hear()
            except psycopg2.Error as error:
                log.warning("wait.connection_lost", error=type(error).__name__)
                time.sleep(_PAUSE)
            self._listens.clear()
            with self._lock:
                if not self._calls:
                    self._thread = None
                    return
                missed = list(self._calls)
            self._call(missed)  # what came meanwhile was not heard: each looks again

    def _hear(self) -> None:
        settings = self._database.settings
        options: dict[str, Any] = connect_options(settings, "gristmill web (listen)")
        ear = psycopg2.connect(libpq_url(settings.database_url.reveal()), **options)
        try:
            ear.set_session(autocommit=True)
            with ear.cursor() as cursor:
                cursor.execute(f"LISTEN {ENDED_CHANNEL}")
            self._listens.set()
            needed_at = time.monotonic()
            while self._calls or time.monotonic() - needed_at < _LINGER:
                if self._calls:
                    needed_at = time.monotonic()
                if select.select([ear], [], [], 1.0)[0]:
                    ear.poll()
                    self._call([UUID(notice.payload) for notice in ear.notifies])
                    ear.notifies.clear()
        finally:
            ear.close()

    def _call(self, job_ids: list[UUID]) -> None:
        with self._lock:
            for job_id in job_ids:
                for called in self._calls.get(job_id, ()):
                    called.set()
