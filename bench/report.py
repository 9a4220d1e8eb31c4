"""The figures of a run, as rows: one table for people, JSON for comparing runs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_PAGE: Final = b"\0" * 8192  # as Postgres writes its log
_SYNCS: Final = 25


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    part: str
    what: str
    value: float
    unit: str
    note: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def aim(self) -> str:
        """The aim in words, with whether it was met."""
        if self.at_least is not None:
            return f"≥ {number(self.at_least)} {'met' if self.value >= self.at_least else 'MISSED'}"
        if self.at_most is not None:
            return f"< {number(self.at_most)} {'met' if self.value < self.at_most else 'MISSED'}"
        return ""


@dataclass(slots=True)
class Report:
    """All rows of a run, and what the machine was like meanwhile. `broker` is empty where no server runs."""

    broker: str
    rows: list[Row] = field(default_factory=list)
    loads: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    sync_ms: float = 0.0

    def add(
        self,
        part: str,
        what: str,
        value: float,
        unit: str,
        note: str = "",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Add a figure; `at_least` or `at_most` is the aim."""
        self.rows.append(Row(part, what, value, unit, note, at_least, at_most))

    def look_at_load(self, part: str) -> None:
        """Keep the load (the last minute's average) with which a part begins: others may use this machine too."""
        self.loads[part] = round(os.getloadavg()[0], 2)

    def table(self) -> str:
        """Return the table."""
        lines = [(row.part, row.what, f"{number(row.value)} {row.unit}", row.aim, row.note) for row in self.rows]
        titles = ("part", "what", "figure", "aim", "note")
        widths = [max(len(line[column]) for line in [titles, *lines]) for column in range(4)]
        shown, part = [], ""
        for line in [titles, *lines]:
            first = line[0] if line[0] != part else ""
            part = line[0]
            cells = [
                first.ljust(widths[0]),
                line[1].ljust(widths[1]),
                line[2].rjust(widths[2]),
                line[3].ljust(widths[3]),
            ]
            shown.append("  ".join([*cells, line[4]]).rstrip())
            if line is titles:
                shown.append("-" * (sum(widths) + 2 * len(widths) + 20))
        return "\n".join([*shown, "", *self._conditions()])

    def _conditions(self) -> list[str]:
        loads = ", ".join(f"{part} {load:.1f}" for part, load in self.loads.items())
        return [
            f"{self.began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}",
            *self._servers(),
            f"load average of the minute before each part: {loads}",
            *self.remarks,
        ]

    def _servers(self) -> list[str]:
        if not self.broker:
            return []
        return [f"broker {self.broker}; Postgres durable, a sync of its disk takes {self.sync_ms:.1f} ms"]

    def write(self, path: Path) -> None:
        """Write all of it as JSON."""
        content: dict[str, Any] = asdict(self) | {"cores": os.cpu_count(), "python": platform.python_version()}
        content["began"] = self.began.isoformat()
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def number(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def sync_time() -> float:
    """Return the median milliseconds that the disk under the temporary folder takes to sync one page."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_SYNCS):
            file.write(_PAGE)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000
