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

CAPACITY: Final = 2_000  # jobs that may wait: some seconds of work; a longer queue only makes everybody late
BATCH_CAPACITY: Final = 5_000  # jobs of batches that may wait: five of the largest, well below a second of work
WRITERS: Final = 2  # the second one only begins while the first is slow: two at a time cost a tenth of the rate
SLOW: Final = 0.01  # seconds since the latest flush began
BATCH_WRITERS: Final = 1  # batches are large enough, and leave the other processor to single jobs
GATHER: Final = (
    0.002  # seconds that a busy writer lets requests come in: its flushes are 1.4 times as large, so cheaper
)
BUSY: Final = 3  # jobs of a flush: after a smaller one nobody is made to wait
LARGEST_FLUSH: Final = 500  # jobs a statement: beyond it the time for each no longer falls
PATIENCE: Final = 20.0  # seconds that a request waits for its answer; more than a flush that is split takes

FULL: Final = "More jobs wait than the database takes right now; nothing was accepted, try again"
LATE: Final = "The database did not take the job in time; it was withdrawn, try again"

log = structlog.get_logger()


class _Waiting:
    """The jobs of one request, and the answer it waits for. A lock is the cheapest thing to wait on in Python."""

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
        """Wait for the answer; say whether it came."""
        return self._answered.acquire(timeout=patience)

    def finish(self, answer: list[Result] | None, error: Exception | None = None) -> None:
        """Give the answer, or an error instead; only the first counts."""
        if self.answer is None and self.error is None:
            self.answer, self.error = answer, error
            self._answered.release()


class Acceptor:
    """One process's way of writing jobs: any number of threads call `submit`, its own few write what they bring.

    An idle writer takes what is there at once; one that had several jobs in its last flush lets some more come in.

    Args:
        database: best of its own, and without `pre_ping`: a flush on a stale connection is repeated anyway.
        writers: threads that write.
        capacity: jobs that may wait; a request that finds more is refused.
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
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._closed = False
        self._writing = 0
        self._began_at = 0.0  # the latest flush, by the monotonic clock
        self._watched = False  # whether a writer waits for a flush to be slow
        self._wanted_writers = writers
        self._writers: list[threading.Thread] = []

    @property
    def size(self) -> int:
        """How many jobs wait to be written."""
        return self._size

    def submit(self, jobs: list[NewJob], *, atomic: bool = False) -> list[Result]:
        """Write `jobs` and return one result for each, in order, after they are committed.

        A result is the job that was accepted or found, or the error that this one job ended with.

        Args:
            atomic: when one of `jobs` ends with an error, store none of them.

        Raises:
            UnavailableError: the queue is full, or it took longer than the patience.
        """
        waiting = _Waiting(jobs, atomic=atomic)
        with self._changed:
            if self._closed or (self._queue and self._size + len(jobs) > self._capacity):
                raise UnavailableError(FULL)
            if not self._writers:  # not before: a thread does not live on in a process that forks
                self._start()
            self._queue.append(waiting)
            self._size += len(jobs)
            if not (self._writing and self._watched):
                self._changed.notify()
        if not waiting.wait(self._patience):
            with self._changed:
                waiting.withdrawn = not waiting.taken
            raise UnavailableError(LATE if waiting.withdrawn else UNKNOWN)
        if waiting.answer is None:
            raise waiting.error or AssertionError
        return waiting.answer

    def close(self, within: float = PATIENCE) -> None:
        """Take no more, write what waits, and return, at most after `within` seconds."""
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
                time.sleep(gather)  # without the lock; to be woken by each that comes would cost what is to be saved
            batch = self._take()
            try:
                self._write([one for one in batch if not one.withdrawn])
            except Exception:
                # The writer outlives every error, and nobody waits in vain.
                log.exception("accept.failed", requests=len(batch))
                for one in batch:
                    one.finish(None, GristmillError("The job could not be written; it was logged"))
            with self._changed:
                self._writing -= 1
            gather = GATHER if len(batch) >= BUSY else 0.0

    def _begin(self) -> bool:
        """Wait until there is something to write; say whether there is: False when closed and nothing is left."""
        with self._changed:
            while not self._closed:
                if not self._queue:
                    self._changed.wait()
                elif (pause := self._pause()) > 0:
                    self._watched = True
                    self._changed.wait(pause)
                    self._watched = False
                else:
                    break
            self._writing += 1
            self._began_at = time.monotonic()
            return bool(self._queue)

    def _pause(self) -> float:
        """Return the seconds until one more writer may write: while another one does, only when that one is slow."""
        return SLOW - (time.monotonic() - self._began_at) if self._writing else 0.0

    def _take(self) -> list[_Waiting]:
        """Return what waits, up to the largest flush; nothing when another writer was faster."""
        batch: list[_Waiting] = []
        size = 0
        with self._changed:
            while self._queue and (not batch or self._may_join(batch, size)):
                one = self._queue.popleft()
                one.taken = True
                size += len(one.jobs)
                batch.append(one)
            self._size -= size
        return batch

    def _may_join(self, batch: list[_Waiting], size: int) -> bool:
        """Say whether the next request fits into a flush: one that is all or nothing shares it with nobody."""
        one = self._queue[0]
        return not one.atomic and not batch[0].atomic and size + len(one.jobs) <= LARGEST_FLUSH

    def _write(self, wanted: list[_Waiting]) -> None:
        if wanted and wanted[0].atomic:
            wanted[0].finish(write_all_or_nothing(self._database, wanted[0].jobs))
            return
        jobs = [job for one in wanted for job in one.jobs]
        results = write_jobs(self._database, jobs) if jobs else {}
        for one in wanted:
            one.finish([results[job.id] for job in one.jobs])
