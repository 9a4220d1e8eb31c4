"""Renew the leases of running jobs from one thread of a worker process, and end by force what was cancelled."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.jobs import leases

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.moves import Claimed

log = structlog.get_logger(__name__)


class RunningAttempts:
    """The attempts that run now in this process, and which of them are to stop."""

    def __init__(self, jobs: Sequence[Claimed]) -> None:
        self.attempts = [(job.id, job.attempt) for job in jobs]
        self.cancelled: dict[UUID, float] = {}  # since when, in monotonic time

    def is_cancelled(self, job_id: UUID) -> bool:
        """Say whether this job was cancelled, or taken over by another attempt: in both cases it is to stop."""
        return job_id in self.cancelled


class Heartbeat:
    """Renews the leases of the jobs that run in this process, three times in the length of a lease.

    So nobody takes them over. Their handlers learn of a cancellation through it. When a handler has not returned within
    the grace of a cancellation, the process is killed: Postgres rolls its transaction back, the reconciler finds the
    lease over and ends the job as cancelled, and the pool starts another process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lease = database.settings.lease
        self._grace = database.settings.cancel_grace
        self._running: RunningAttempts | None = None
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def renewing(self, jobs: Sequence[Claimed]) -> Iterator[RunningAttempts]:
        """Renew the leases of `jobs` until the block ends."""
        running = self._running = RunningAttempts(jobs)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()
        self._busy.set()
        try:
            yield running
        finally:
            self._running = None
            self._busy.clear()

    def _run(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(self._lease / 3)
            running = self._running
            if running is not None:
                try:
                    self._beat(running)
                except DATABASE_ERRORS as error:
                    log.warning("lease.not_renewed", jobs=len(running.attempts), error=type(error).__name__)

    def _beat(self, running: RunningAttempts) -> None:
        with self._database.transaction() as session:
            renewed = leases.renew_all(session, running.attempts, lease=self._lease)
        for job_id, attempt in running.attempts:
            if renewed.get(job_id) is not False and job_id not in running.cancelled and self._running is running:
                running.cancelled[job_id] = time.monotonic()
                event = "job.cancel_seen" if job_id in renewed else "lease.lost"
                log.warning(event, job_id=str(job_id), attempt=attempt)
        overdue = [job_id for job_id, since in running.cancelled.items() if time.monotonic() - since > self._grace]
        if any(renewed.get(job_id) for job_id in overdue) and self._running is running:
            self._end_by_force(running, overdue)

    def _end_by_force(self, running: RunningAttempts, overdue: list[UUID]) -> None:
        log.warning("job.killed", jobs=[str(job_id) for job_id in overdue], grace=self._grace)
        with self._database.transaction() as session:
            leases.renew_all(session, running.attempts, lease=0)
        if self._running is running:
            os.kill(os.getpid(), signal.SIGKILL)
