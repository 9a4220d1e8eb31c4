"""Draw the same again and again: in place on a terminal, as blocks elsewhere."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import click

SHORTEST: Final = 1.0  # seconds between two looks
LONGEST: Final = 3_600.0
_TOP: Final = "\x1b[H"
_CLEAR: Final = "\x1b[2J"
_TO_LINE_END: Final = "\x1b[K"
_TO_SCREEN_END: Final = "\x1b[J"
_NO_WRAP: Final = "\x1b[?7l"  # a line that is too long stays one line, also in a wide table
_WRAP: Final = "\x1b[?7h"


def redraw(draw: Callable[[], Sequence[str]], *, every: float, title: str) -> None:
    """Draw until Ctrl-C.

    Args:
        draw: returns the lines, or raises what ends it.
        every: seconds between the end of a look and the next.
        title: what is shown, for the line at the top.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        while True:
            click.echo("\n".join([*draw(), ""]))
            sys.stdout.flush()
            time.sleep(every)
    click.echo(f"{_NO_WRAP}{_CLEAR}", nl=False, color=True)
    try:
        while True:
            head = f"{title}, every {every:g} s, Ctrl-C ends, {datetime.now(UTC):%H:%M:%SZ}"
            _draw_in_place([head, "", *draw()])
            sys.stdout.flush()
            time.sleep(every)
    finally:
        click.echo(_WRAP, color=True)


def _draw_in_place(lines: Sequence[str]) -> None:
    height = max(3, shutil.get_terminal_size().lines)
    if len(lines) > height:
        more = len(lines) - height + 1
        lines = [*lines[: height - 1], f"… {more} more lines"]
    drawn = f"{_TO_LINE_END}\n".join(lines)
    click.echo(f"{_TOP}{drawn}{_TO_LINE_END}{_TO_SCREEN_END}", nl=False, color=True)
