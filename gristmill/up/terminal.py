"""Terminal output of `up`: a spinner and colours on a terminal, plain lines elsewhere, nothing once it is closed."""

import re
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.status import Status

_MOST_LINES: Final = 20  # of one unit in one period, so that one cannot bury the lines of the others
_PERIOD: Final = 10.0  # seconds
_CONSOLE_LINE: Final = re.compile(r"^\S+Z? \[(?P<level>\w+) *\] ")


class Terminal:
    """Prints the reports of `up`. Safe to use from several threads."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._said: dict[str, tuple[float, int]] = {}
        self.fancy = self._console.is_terminal

    def line(self, text: str, style: str | None = None) -> None:
        """Print a line."""
        # The terminal may have been closed; the units are stopped in order nevertheless.
        with self._lock, suppress(OSError, ValueError):
            self._console.print(text, style=style, markup=False)
            sys.stdout.flush()

    def waiting_for(self, names: list[str]) -> None:
        """Show the names of what is awaited; clear them when there are none."""
        if not self.fancy:
            return
        with self._lock, suppress(OSError, ValueError):
            if not names:
                if self._status is not None:
                    self._status.stop()
                    self._status = None
            elif self._status is None:
                self._status = self._console.status(", ".join(names))
                self._status.start()
            else:
                self._status.update(", ".join(names))

    def done(self, name: str, seconds: float) -> None:
        """Report that a step is done."""
        self.line(f"  {name}  {seconds:.1f} s", style="green" if self.fancy else None)

    def report(self, name: str, text: str) -> None:
        """Print a line about a unit, unless there were too many lately."""
        count = self._count(name)
        if count < _MOST_LINES:
            self.line(f"{name}: {_CONSOLE_LINE.sub('', text)}", style="yellow" if self.fancy else None)
        elif count == _MOST_LINES:
            self.line(f"{name}: more of this is in its log")

    def _count(self, name: str) -> int:
        with self._lock:
            since, count = self._said.get(name, (0.0, 0))
            now = time.monotonic()
            since, count = (now, 0) if now - since > _PERIOD else (since, count)
            self._said[name] = (since, count + 1)
            return count
