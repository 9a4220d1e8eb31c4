"""Paper that output is written on: its width, its colours, its level of detail and the time by which ages are told."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import click


@dataclass(frozen=True)
class Paper:
    """Screen or pipe that output is written to.

    Attributes:
        width: columns of a line; None when lines may have any length.
        wide: whether every column and field is shown, whole.
        colour: whether states are coloured.
        clock: returns the time of the platform.
    """

    width: int | None = None
    wide: bool = False
    colour: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @cached_property
    def now(self) -> datetime:
        """The time by which ages are told, asked for once."""
        return self.clock()

    def paint(self, text: str, colour: str | None, *, bold: bool = False) -> str:
        """Return a text in a colour, if there are colours."""
        return click.style(text, fg=colour, bold=bold or None) if self.colour and (colour or bold) else text


def paper_for(*, wide: bool, clock: Callable[[], datetime]) -> Paper:
    """Return the paper of standard output: that of the terminal, or else that of COLUMNS, or else without an end."""
    return Paper(width=None if wide else _width(), wide=wide, colour=has_colours(), clock=clock)


def has_colours() -> bool:
    """Return whether colours are wanted: on a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width() -> int | None:
    if sys.stdout.isatty():
        return max(20, shutil.get_terminal_size().columns)
    columns = os.environ.get("COLUMNS", "")
    return max(20, int(columns)) if columns.isdecimal() and int(columns) else None
