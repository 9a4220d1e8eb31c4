"""The chart: a panel for each line, a bar for each peer, a whisker from the least to the most of the rounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.peers.drawing import Box, Drawing, Text
from bench.peers.figures import LINES, Figures, Line, Summary
from bench.report import number

SHOWN: Final = ("one", "at_once", "batch", "noop", "effect", "wait", "cpu", "idle_p50", "half_p50", "memory")
COLUMNS: Final = 2
_OURS: Final = "#b8860b"
_THEIRS: Final = "#7a94ad"
_FAINT: Final = "#555555"
_PANEL: Final = 470.0  # width
_NAMES: Final = 140.0
_VALUES: Final = 62.0
_BAR: Final = 15.0
_STEP: Final = 19.0
_HEAD: Final = 30.0
_GAP: Final = 26.0


def draw(figures: Figures, titles: Mapping[str, str]) -> Drawing:
    """Return the chart of these peers, in their order."""
    lines = [line for line in LINES if line.name in SHOWN]
    panels = [_rows(figures, line, titles) for line in lines]
    tall = [
        _HEAD + _STEP * max(len(rows) for rows in panels[first : first + COLUMNS])
        for first in range(0, len(panels), COLUMNS)
    ]
    drawing = Drawing(COLUMNS * _PANEL + (COLUMNS + 1) * _GAP, sum(tall) + _GAP * (len(tall) + 1))
    for at, (line, rows) in enumerate(zip(lines, panels, strict=True)):
        column, row = at % COLUMNS, at // COLUMNS
        x, y = _GAP + column * (_PANEL + _GAP), _GAP + sum(tall[:row]) + _GAP * row
        _panel(drawing, x, y, line, rows, figures.ours)
    return drawing


def write(path: Path, figures: Figures, titles: Mapping[str, str]) -> None:
    """Write the chart as SVG, and as PNG beside it."""
    drawing = draw(figures, titles)
    path.write_text(drawing.svg(), encoding="utf-8")
    drawing.paint(path.with_suffix(".png"))


def _rows(figures: Figures, line: Line, titles: Mapping[str, str]) -> list[tuple[str, str, Summary]]:
    found = [(name, title, figures.summary(name, line.name)) for name, title in titles.items()]
    return [(name, title, summary) for name, title, summary in found if summary is not None]


def _panel(drawing: Drawing, x: float, y: float, line: Line, rows: list[tuple[str, str, Summary]], ours: str) -> None:
    better = "more is better" if line.more_is_better else "less is better"
    unit = "a second" if line.unit == "/s" else line.unit
    drawing.texts.append(Text(x, y + 8, f"{line.title} ({unit}; {better})", 13))
    room = _PANEL - _NAMES - _VALUES
    scale = room / max((summary.most for _, _, summary in rows), default=1.0)
    for at, (name, title, summary) in enumerate(rows):
        top = y + _HEAD + at * _STEP
        middle, left = top + _BAR / 2, x + _NAMES
        drawing.texts.append(Text(left - 6, middle, title, 11, "end"))
        mine = name == ours or name.startswith(f"{ours}-")
        drawing.boxes.append(Box(left, top, summary.median * scale, _BAR, _OURS if mine else _THEIRS))
        least, most = left + summary.least * scale, left + summary.most * scale
        drawing.boxes.append(Box(least, middle - 0.5, most - least, 1, _FAINT))
        drawing.boxes += [Box(end - 0.5, middle - 3, 1, 6, _FAINT) for end in (least, most)]
        drawing.texts.append(Text(max(left + summary.median * scale, most) + 5, middle, number(summary.median), 11))
