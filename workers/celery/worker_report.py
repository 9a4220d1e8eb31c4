"""The reports of a worker: its children count what they begin in shared memory, a thread of their parent tells it."""

from __future__ import annotations

import mmap
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from gristmill.shared.operating.queries_process_reports import REPORT_EVERY

if TYPE_CHECKING:
    from gristmill.workers.report import Pulse

MINUTE: Final = 60.0


class Tally:
    """One number for each child, in memory that a fork shares.

    Each is written by one process alone, so that no lock is needed: none can be left behind by a child that is killed.
    """

    def __init__(self, children: int) -> None:
        self._numbers = memoryview(mmap.mmap(-1, 8 * children)).cast("q")

    def add(self, child: int, jobs: int) -> None:
        """Count `jobs` for a child; they are numbered from 0."""
        self._numbers[child % len(self._numbers)] += jobs

    @property
    def total(self) -> int:
        """All that was counted since the start."""
        return sum(self._numbers)


class WorkerPulse:
    """Tells every few seconds, from a thread of the parent, what its children have begun and whether it consumes.

    It begins when it is first told of the broker, since the children are forked by then.
    """

    def __init__(self, pulse: Pulse, tally: Tally, *, every: float = REPORT_EVERY) -> None:
        self._pulse = pulse
        self._tally = tally
        self._every = every
        self._trouble: BaseException | None = None
        self._changed = threading.Event()
        self._ends = False
        self._thread: threading.Thread | None = None
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def tell(self, trouble: BaseException | None) -> None:
        """Take note that the broker is reached (None), or why it is not. Waits for nothing."""
        self._trouble = trouble
        self._changed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Tell that the worker ends."""
        self._ends = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout=self._every)

    def beat(self) -> None:
        """Report once."""
        now, total = time.monotonic(), self._tally.total
        acted = total != self._history[-1][1]
        self._history.append((now, total))
        while len(self._history) > 1 and self._history[1][0] <= now - MINUTE:
            self._history.popleft()
        self._pulse.beat(acted=acted, trouble=self._trouble, jobs_a_minute=total - self._history[0][1])

    def _run(self) -> None:
        while not self._ends:
            self.beat()
            self._changed.wait(self._every)
            self._changed.clear()
        self._pulse.stop()
