"""Report for a worker: its children count attempts in shared memory, a thread of their parent writes the reports."""

from __future__ import annotations

import mmap
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from gristmill.shared.operating.queries_process_reports import REPORT_EVERY

if TYPE_CHECKING:
    from gristmill.workers.report import ProcessReporter

MINUTE: Final = 60.0


class AttemptCounter:
    """Counts attempts, one number for each child, in memory that a fork shares.

    Each number is written by one process alone. So no lock is needed, which a child that is killed might leave held.
    """

    def __init__(self, children: int) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 8 * children)).cast("q")

    def add(self, child: int, jobs: int) -> None:
        """Count `jobs` for a child; children are numbered from 0."""
        self._numbers[child % len(self._numbers)] += jobs

    @property
    def total(self) -> int:
        """All attempts that were counted since the start."""
        return sum(self._numbers)


class WorkerReporter:
    """Reports every few seconds, from a thread of the parent, what its children have begun and whether it consumes.

    The thread starts with the first news of the broker, since the children are forked by then.
    """

    def __init__(self, reporter: ProcessReporter, counter: AttemptCounter, *, every: float = REPORT_EVERY) -> None:
        self._reporter = reporter
        self._counter = counter
        self._every = every
        self._trouble: BaseException | None = None
        self._changed = threading.Event()
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def tell(self, trouble: BaseException | None) -> None:
        """Note that the broker is reached (None), or why it is not. Returns immediately."""
        self._trouble = trouble
        self._changed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="report", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Report that the worker ends."""
        self._is_ending = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout=self._every)

    def report(self) -> None:
        """Report once."""
        now, total = time.monotonic(), self._counter.total
        acted = total != self._history[-1][1]
        self._history.append((now, total))
        while len(self._history) > 1 and self._history[1][0] <= now - MINUTE:
            self._history.popleft()
        self._reporter.report(acted=acted, trouble=self._trouble, jobs_a_minute=total - self._history[0][1])

    def _run(self) -> None:
        while not self._is_ending:
            self.report()
            self._changed.wait(self._every)
            self._changed.clear()
        self._reporter.stop()
