"""The page: what was measured, and how each peer was set up."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bench.peers import aims
from bench.peers.figures import LINES, Figures, Line, Summary, ratio_text
from bench.report import number

if TYPE_CHECKING:
    from bench.peers.peer import Spec

PARTS: Final = {
    "Accepting": ("one", "at_once", "batch"),
    "Executing": ("noop", "effect", "wait", "cpu"),
    "Latency and memory": ("idle_p50", "idle_p95", "half_p50", "half_p95", "memory"),
}
_LINES: Final = {line.name: line for line in LINES}
_NOT_THERE: Final = "–"
MOST_NAMED: Final = 4  # peers in one sentence


@dataclass(slots=True)
class Page:
    """All that the page tells beside the figures."""

    specs: tuple[Spec, ...]
    versions: dict[str, dict[str, str]]
    servers: str
    syncs: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def render(self, figures: Figures, chart: str | None) -> str:
        """Return the page in Markdown."""
        text = [
            "# Compared with other job queues",
            "",
            f"Written by `make bench-peers`, {self.began:%Y-%m-%d %H:%M} UTC.",
            "",
        ]
        text += [*self._conditions(figures), ""]
        if chart is not None:
            text += [f"![The medians of all peers, with their spreads]({chart})", ""]
        for title, names in PARTS.items():
            text += [f"## {title}", "", *self._table(figures, [_LINES[name] for name in names]), ""]
        titles = {spec.name: spec.title for spec in self.specs}
        if reached := aims.rows(figures, titles):
            text += [
                "## Targets",
                "",
                "| | target | measured | |",
                "| --- | --- | --- | --- |",
                *reached,
                "",
            ]
        text += ["## Peers that are ahead", "", *self._behind(figures), ""]
        text += ["## Set-ups", "", *self._setups(), ""]
        if self.skipped or figures.failures:
            text += ["## What is missing", "", *self._missing(figures), ""]
        return "\n".join(text)

    def _conditions(self, figures: Figures) -> list[str]:
        text = (
            f"{len(figures.rounds)} rounds, {len(self.loads)} turns; in each round all peers one after the other, the "
            f"order rotated by one. Figures are medians, with the minimum and the maximum of the rounds. ×: that "
            f"figure over ours in the same round, median. {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"{self.servers}. Before each turn a sync of the disk took {_range(self.syncs)} ms. The load average, "
            f"including the rest of the turn before, was {_range(self.loads)}."
        )
        return [text]

    def _table(self, figures: Figures, lines: list[Line]) -> list[str]:
        head = [f"{line.title}, {line.unit}" if line.unit != "/s" else f"{line.title}, a second" for line in lines]
        rows = [f"| | {' | '.join(head)} |", "| --- |" + " --- |" * len(lines)]
        for spec in self.specs:
            cells = [cell(figures.summary(spec.name, line.name)) for line in lines]
            if any(each != _NOT_THERE for each in cells):
                rows.append(f"| {spec.title} | {' | '.join(cells)} |")
        return rows

    def _behind(self, figures: Figures) -> list[str]:
        titles = {spec.name: spec.title for spec in self.specs if not spec.name.startswith(figures.ours)}
        told = [f"- {line}: {_first(peers)}" for line, peers in figures.behind(titles)]
        return told or ["None."]

    def _setups(self) -> list[str]:
        told = {name: ", ".join(map(" ".join, found.items())) for name, found in self.versions.items()}
        return [f"- **{spec.title}** ({told[spec.name]}): {spec.setup}." for spec in self.specs if spec.name in told]

    def _missing(self, figures: Figures) -> list[str]:
        return [f"- {name}: {why}" for name, why in self.skipped.items()] + [
            f"- {name}: failed in {len(why)} of the rounds: {_short(why[0])}" for name, why in figures.failures.items()
        ]


def _first(peers: list[str]) -> str:
    """Return the peers that are furthest ahead, and the number of the others; the tables have all of them."""
    others = f", and {len(peers) - MOST_NAMED} more" if len(peers) > MOST_NAMED else ""
    return ", ".join(peers[:MOST_NAMED]) + others


def _range(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}" if values else "unknown"


def cell(found: Summary | None) -> str:
    """Return one cell of a table."""
    if found is None:
        return _NOT_THERE
    ratio = "" if found.ratio is None else f" ×{ratio_text(found.ratio)}"
    return f"{number(found.median)} ({number(found.least)}–{number(found.most)}){ratio}"


def _short(why: str) -> str:
    """Return the first and the last line of an error: what was tried, and what the log says in the end."""
    lines = why.strip().splitlines()
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1].strip()}"
