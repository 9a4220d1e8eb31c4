"""The watch of a worker process: one thread that keeps the leases of what runs, and ends what was cancelled."""

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


class Guard:
    """What the watch knows of the attempts that run now."""

    def __init__(self, jobs: Sequence[Claimed]) -> None:
        self.attempts = [(job.id, job.attempt) for job in jobs]
        self.cancelled: dict[UUID, float] = {}

    def is_cancelled(self, job_id: UUID) -> bool:
        """Say whether this job was cancelled, or taken over by another attempt: in both cases it is to stop."""
        return job_id in self.cancelled


class Watch:
    """Looks three times in the length of a lease, from a thread of its own, at the jobs that run in this process.

    It renews their leases, so that nobody takes them over. A job that somebody cancelled is told so; when its handler
    has not returned after `grace` seconds, the process is killed: its transaction is rolled back by Postgres, the
    reconciler finds the lease over and ends the job as cancelled, and the pool starts another process.
    """

    def __init__(self, database: Database, *, lease: float, grace: float) -> None:
        self._database = database
        self._lease = lease
        self._grace = grace
        self._guard: Guard | None = None
        self._busy = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, jobs: Sequence[Claimed]) -> Iterator[Guard]:
        """Watch over `jobs` until the block ends."""
        guard = self._guard = Guard(jobs)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
            self._thread.start()
        self._busy.set()
        try:
            yield guard
        finally:
            self._guard = None
            self._busy.clear()

    def _run(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(self._lease / 3)
            guard = self._guard
            if guard is not None:
                try:
                    self._look(guard)
                except DATABASE_ERRORS as error:
                    log.warning("lease.not_renewed", jobs=len(guard.attempts), error=type(error).__name__)

    def _look(self, guard: Guard) -> None:
        with self._database.transaction() as session:
            asked = leases.renew_all(session, guard.attempts, lease=self._lease)
        for job_id, attempt in guard.attempts:
            if asked.get(job_id) is not False and job_id not in guard.cancelled and self._guard is guard:
                guard.cancelled[job_id] = time.monotonic()
                log.warning(
                    "lease.lost" if job_id not in asked else "job.cancel_seen", job_id=str(job_id), attempt=attempt
                )
        overdue = [job_id for job_id, since in guard.cancelled.items() if time.monotonic() - since > self._grace]
        if any(asked.get(job_id) for job_id in overdue) and self._guard is guard:
            self._end_by_force(guard, overdue)

    def _end_by_force(self, guard: Guard, overdue: list[UUID]) -> None:
        log.warning("job.killed", jobs=[str(job_id) for job_id in overdue], grace=self._grace)
        with self._database.transaction() as session:
            leases.renew_all(session, guard.attempts, lease=0)
        if self._guard is guard:
            os.kill(os.getpid(), signal.SIGKILL)
