"""Repeat the work of a process until it is asked to stop, and back off when something fails."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from gristmill.shared.base.breaker import Backoff

if TYPE_CHECKING:
    from types import FrameType

log = structlog.get_logger(__name__)


class Stop:
    """A flag that SIGTERM and SIGINT set; setting it ends a wait on it immediately."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self.is_set = False

    def install(self) -> None:
        """Handle SIGTERM and SIGINT in this process (main thread only)."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def set(self) -> None:
        """Ask the loop to end after its current round."""
        self.is_set = True
        os.write(self._write, b"x")

    def wait(self, seconds: float, *others: Any) -> bool:
        """Wait until asked to stop, one of `others` (with a file number) is readable, or `seconds` are over.

        Returns:
            Whether one of `others` is readable.
        """
        readable, _, _ = select.select([self._read, *others], [], [], max(0.0, seconds))
        return any(other in readable for other in others)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.is_set:
            self.set()


def repeat(tick: Callable[[], float], stop: Stop, *, name: str, expected: tuple[type[Exception], ...]) -> None:
    """Call `tick` until asked to stop; it returns the seconds until its next call.

    An error of `expected` kinds (a broker or database that is away) is logged and followed by growing pauses. Any other
    ends the process, so that its supervisor sees it.
    """
    backoff = Backoff()
    failing_with: type[Exception] | None = None
    while not stop.is_set:
        try:
            pause = tick()
            backoff.reset()
            if failing_with is not None:
                log.info("loop.resumed", loop=name)
                failing_with = None
        except expected as error:
            pause = backoff.next()
            say = log.debug if type(error) is failing_with else log.warning  # a warning once for each kind
            say("loop.waits", loop=name, error=f"{type(error).__name__}: {error}"[:300], pause=round(pause, 2))
            failing_with = type(error)
        if pause > 0:
            stop.wait(pause)
