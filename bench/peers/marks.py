"""The marks that jobs leave: when each began, and when it had been sent. One file, the same for all peers."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

MARK: Final = struct.Struct("dd")
MIDDLE: Final = (0.1, 0.9)  # of all jobs: neither the start of the workers nor the last ones in the middle of an end


class Marks:
    """The marks in a file, from the last `forget()` on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._from = 0

    def forget(self) -> None:
        """Begin anew."""
        self._from = self._size()

    def count(self) -> int:
        """Return how many there are."""
        return (self._size() - self._from) // MARK.size

    def read(self) -> list[tuple[float, float]]:
        """Return (begun, sent) of each, in seconds of the machine's monotonic clock, by the time they had begun."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._from)
            content = file.read()
        whole = len(content) // MARK.size * MARK.size
        return sorted((begun, sent) for begun, sent in MARK.iter_unpack(content[:whole]))

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


def steady_rate(begun: list[float]) -> float:
    """Return how many jobs began a second over the middle 80 % of them.

    Raises:
        ValueError: there are too few.
    """
    first, last = (int(part * len(begun)) for part in MIDDLE)
    if last - first < 2:  # a rate needs two ends
        raise ValueError(f"{len(begun)} jobs are too few for a rate")
    ordered = sorted(begun)
    return (last - first) / max(1e-9, ordered[last] - ordered[first])


def latencies(marks: list[tuple[float, float]], *, skip: float = 0.1) -> list[float]:
    """Return the milliseconds from sending to beginning, without the first tenth of them, which warm up."""
    ordered = sorted((sent, begun) for begun, sent in marks)
    return [(begun - sent) * 1000 for sent, begun in ordered[int(len(ordered) * skip) :]]
