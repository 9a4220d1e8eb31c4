"""Summarize all rounds: medians, spreads, and the ratio of each figure to ours."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that is measured of each peer.

    Attributes:
        more_is_better: whether a larger figure is the better one.
    """

    name: str
    title: str
    unit: str
    more_is_better: bool


LINES: Final[tuple[Line, ...]] = (
    Line(name="one", title="accepted, one at a time", unit="/s", more_is_better=True),
    Line(name="at_once", title="accepted, 32 at once", unit="/s", more_is_better=True),
    Line(name="batch", title="accepted, 1,000 a call", unit="/s", more_is_better=True),
    Line(name="noop", title="executed, nothing to do", unit="/s", more_is_better=True),
    Line(name="effect", title="executed, one row", unit="/s", more_is_better=True),
    Line(name="wait", title="executed, 5 ms of waiting", unit="/s", more_is_better=True),
    Line(name="cpu", title="processor time of a job with one row", unit="µs", more_is_better=False),
    Line(name="idle_p50", title="to start, idle, p50", unit="ms", more_is_better=False),
    Line(name="idle_p95", title="to start, idle, p95", unit="ms", more_is_better=False),
    Line(name="half_p50", title="to start, half load, p50", unit="ms", more_is_better=False),
    Line(name="half_p95", title="to start, half load, p95", unit="ms", more_is_better=False),
    Line(name="memory", title="memory of the workers", unit="MiB", more_is_better=False),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of one peer over all rounds: `ratio` is the median of its figure over ours in the same round."""

    median: float
    least: float
    most: float
    ratio: float | None


@dataclass(slots=True)
class Figures:
    """All figures: by peer and line, one a round; a round that failed is missing, and said."""

    ours: str
    rounds: dict[int, dict[str, Mapping[str, float]]] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def add(self, number: int, peer: str, measured: Mapping[str, float]) -> None:
        """Add what one peer reached in one round."""
        self.rounds.setdefault(number, {})[peer] = dict(measured)

    def fail(self, peer: str, why: str) -> None:
        """Write down that a peer failed in a round."""
        self.failures.setdefault(peer, []).append(why)

    def summary(self, peer: str, line: str) -> Summary | None:
        """Return a line of a peer, or None when it was never measured."""
        values = [found[peer][line] for found in self.rounds.values() if line in found.get(peer, {})]
        if not values:
            return None
        ratios = [
            found[peer][line] / found[self.ours][line]
            for found in self.rounds.values()
            if line in found.get(peer, {}) and found.get(self.ours, {}).get(line)
        ]
        ratio = statistics.median(ratios) if ratios and peer != self.ours else None
        return Summary(statistics.median(values), min(values), max(values), ratio)

    def behind(self, peers: Mapping[str, str]) -> list[tuple[str, list[str]]]:
        """Return the lines in which a peer is ahead of us, each with these peers and their ratios, best first."""
        told: list[tuple[str, list[str]]] = []
        for line in LINES:
            found = {peer: self.summary(peer, line.name) for peer in peers}
            ahead = {
                peer: each.ratio
                for peer, each in found.items()
                if each and each.ratio is not None and (each.ratio > 1) == line.more_is_better and each.ratio != 1
            }
            best = sorted(ahead, key=lambda peer: ahead[peer], reverse=line.more_is_better)
            if best:
                told.append((line.title, [f"{peers[peer]} ×{ratio_text(ahead[peer])}" for peer in best]))
        return told

    def as_json(self) -> dict[str, Any]:
        """Return all of it, to be written to a file."""
        return {"ours": self.ours, "rounds": self.rounds, "failures": self.failures}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Figures:
        """Return what `as_json` returned."""
        rounds = {int(number): dict(found) for number, found in content["rounds"].items()}
        return cls(content["ours"], rounds, {name: list(why) for name, why in content["failures"].items()})


def ratio_text(ratio: float) -> str:
    """Return a ratio with as many digits as it deserves."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2g}"
