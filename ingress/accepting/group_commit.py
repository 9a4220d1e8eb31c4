"""Group commit: requests that wait at the same time share one statement and one commit."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.ingress.accepting.write import UNKNOWN, Result, write_all_or_nothing, write_jobs
from gristmill.shared.errors import GristmillError, UnavailableError

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.terms import NewJob

CAPACITY: Final = 2_000  # jobs that may wait: some seconds of work; a longer queue only delays every request
BATCH_CAPACITY: Final = 5_000  # jobs of batches that may wait: five of the largest batches, well below a second of work
WRITERS: Final = 2  # the second starts only while the first is slow: two at a time cost a tenth of the rate
SLOW: Final = 0.01  # seconds since the latest write began
KEYED_WRITERS: Final = 1  # jobs with a unique key are few
KEYED_LOCK_TIMEOUT: Final = 0.5  # seconds for which they wait for an open transaction with their key
BATCH_WRITERS: Final = 1  # batches are large enough, and leave the other processor to single jobs
GATHER: Final = 0.002  # seconds for which a busy writer gathers requests: its groups are 1.4 times as large, so cheaper
BUSY: Final = 3  # requests of a group: after a smaller one the writer does not gather
LARGEST_GROUP: Final = 500  # jobs a statement: beyond it the time for each job no longer falls
PATIENCE: Final = 20.0  # seconds that a request waits for its answer; more than a group that is split takes

FULL: Final = "More jobs wait than the database can store right now; nothing was accepted, try again"
LATE: Final = "The database did not store the job in time; the job was withdrawn, try again"

log = structlog.get_logger()


class _Submission:
    """The jobs of one request, and their results. A lock is the cheapest way to wait in Python."""

    __slots__ = ("_answered", "answer", "atomic", "error", "jobs", "taken", "withdrawn")

    def __init__(self, jobs: list[NewJob], *, atomic: bool) -> None:
        self.jobs = jobs
        self.atomic = atomic
        self.taken = False
        self.withdrawn = False
        self.answer: list[Result] | None = None
        self.error: Exception | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def wait(self, patience: float) -> bool:
        """Wait for the answer, and return whether it came."""
        return self._answered.acquire(timeout=patience)

    def finish(self, answer: list[Result] | None, error: Exception | None = None) -> None:
        """Set the answer, or an error instead. Only the first call counts."""
        if self.answer is None and self.error is None:
            self.answer, self.error = answer, error
            self._answered.release()


class Acceptor:
    """The writers of one process: any number of threads call `submit`, and a few threads write the jobs.

    An idle writer writes at once. A writer whose last group had several requests gathers more before it writes.

    Args:
        database: best a pool of its own, without `pre_ping`: a write on a stale connection is repeated anyway.
        writers: threads that write.
        capacity: jobs that may wait; a request beyond it is refused.
        patience: seconds that a request waits for its answer.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str = "acceptor",
        writers: int = WRITERS,
        capacity: int = CAPACITY,
        patience: float = PATIENCE,
    ) -> None:
        self._database = database
        self._name = name
        self._capacity = capacity
        self._patience = patience
        self._changed = threading.Condition()
        self._queue: deque[_Submission] = deque()
        self._size = 0
        self._closed = False
        self._writing = 0
        self._began_at = 0.0  # the latest write, by the monotonic clock
        self._standby = False  # whether a writer waits for the current write to be slow
        self._wanted_writers = writers
        self._writers: list[threading.Thread] = []

    @property
    def size(self) -> int:
        """The number of jobs that wait to be written."""
        return self._size

    def submit(self, jobs: list[NewJob], *, atomic: bool = False) -> list[Result]:
        """Write `jobs` and return one result for each, in order, after they are committed.

        A result is the accepted job, the job that existed before, or the error of this one job.

        Args:
            atomic: whether an error of one job means that none is stored.

        Raises:
            UnavailableError: the queue is full, or it took longer than the patience.
        """
        submission = _Submission(jobs, atomic=atomic)
        with self._changed:
            if self._closed or (self._queue and self._size + len(jobs) > self._capacity):
                raise UnavailableError(FULL)
            if not self._writers:  # not earlier: a thread does not survive a fork
                self._start()
            self._queue.append(submission)
            self._size += len(jobs)
            if not (self._writing and self._standby):
                self._changed.notify()
        if not submission.wait(self._patience):
            with self._changed:
                submission.withdrawn = not submission.taken
            raise UnavailableError(LATE if submission.withdrawn else UNKNOWN)
        if submission.answer is None:
            raise submission.error or AssertionError
        return submission.answer

    def close(self, within: float = PATIENCE) -> None:
        """Accept no more jobs, write those that wait, and return after `within` seconds at most."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        ends_at = time.monotonic() + within
        for writer in self._writers:
            writer.join(max(0.0, ends_at - time.monotonic()))
        self._database.dispose()

    def _start(self) -> None:
        for number in range(1, self._wanted_writers + 1):
            writer = threading.Thread(target=self._run, name=f"{self._name} {number}", daemon=True)
            self._writers.append(writer)
            writer.start()

    def _run(self) -> None:
        gather = 0.0
        while self._begin():
            if gather and not self._closed:
                time.sleep(gather)  # without the lock: being woken by each request would cost what gathering saves
            batch = self._take()
            try:
                self._write([one for one in batch if not one.withdrawn])
            except Exception:
                # The writer survives every error, and every request gets an answer.
                log.exception("accept.failed", requests=len(batch))
                for one in batch:
                    one.finish(None, GristmillError("The job could not be written; it was logged"))
            with self._changed:
                self._writing -= 1
            gather = GATHER if len(batch) >= BUSY else 0.0

    def _begin(self) -> bool:
        """Wait for jobs to write. Return False when the acceptor is closed and none are left."""
        with self._changed:
            while not self._closed:
                if not self._queue:
                    self._changed.wait()
                elif (pause := self._pause()) > 0:
                    self._standby = True
                    self._changed.wait(pause)
                    self._standby = False
                else:
                    break
            self._writing += 1
            self._began_at = time.monotonic()
            return bool(self._queue)

    def _pause(self) -> float:
        """Return the seconds until one more writer may start: while another writes, only when that one is slow."""
        return SLOW - (time.monotonic() - self._began_at) if self._writing else 0.0

    def _take(self) -> list[_Submission]:
        """Return the requests that wait, up to the largest group; none when another writer was faster."""
        batch: list[_Submission] = []
        size = 0
        with self._changed:
            while self._queue and (not batch or self._may_join(batch, size)):
                one = self._queue.popleft()
                one.taken = True
                size += len(one.jobs)
                batch.append(one)
            self._size -= size
        return batch

    def _may_join(self, batch: list[_Submission], size: int) -> bool:
        """Return whether the next request fits into the group. An atomic one shares its group with no other."""
        one = self._queue[0]
        return not one.atomic and not batch[0].atomic and size + len(one.jobs) <= LARGEST_GROUP

    def _write(self, wanted: list[_Submission]) -> None:
        if wanted and wanted[0].atomic:
            wanted[0].finish(write_all_or_nothing(self._database, wanted[0].jobs))
            return
        jobs = [job for one in wanted for job in one.jobs]
        results = write_jobs(self._database, jobs) if jobs else {}
        for one in wanted:
            one.finish([results[job.id] for job in one.jobs])
