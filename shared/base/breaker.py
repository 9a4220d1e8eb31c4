"""Back off from a service that is away, with a circuit breaker for all calls of the process."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Final

FIRST_PAUSE: Final = 0.1  # seconds after a first error
LONGEST_PAUSE: Final = 5.0  # seconds: a service that is back is found by then


@dataclass(slots=True)
class Backoff:
    """Growing pauses with full jitter between tries that fail."""

    failures: int = 0

    def next(self) -> float:
        """Count a failure and return the seconds to wait."""
        ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.failures)
        self.failures = min(self.failures + 1, 16)
        return random.uniform(FIRST_PAUSE / 2, ceiling)  # noqa: S311  spread, not secrecy

    def reset(self) -> None:
        """Forget the failures: something worked."""
        self.failures = 0


@dataclass(slots=True)
class Breaker:
    """Closed while the service answers; after a failure open until the next try is due, with growing, jittered pauses.

    It counts in the process's monotonic time: a step of the wall clock neither opens it nor keeps it open.
    """

    _backoff: Backoff = field(default_factory=Backoff)
    _try_at: float = 0.0

    @property
    def pause(self) -> float:
        """Seconds until the service may be asked again; 0 while it is closed."""
        return max(0.0, self._try_at - time.monotonic())

    def failed(self) -> None:
        """The service was away: stay open for a pause that grows with each failure in a row."""
        self._try_at = time.monotonic() + self._backoff.next()

    def worked(self) -> None:
        """The service answered: close."""
        self._backoff.reset()
        self._try_at = 0.0
