"""Screen of the demo: a live table on a terminal, a line for each change elsewhere."""

import json
import time
from typing import Any, Final, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gristmill.demo.client import JobSnapshot
from gristmill.demo.scenario import Case

_STYLES: Final = {"succeeded": "green", "dead": "red", "running": "cyan", "retrying": "yellow"}
_COLUMNS: Final = {"a job that": 25, "task": 17, "state": 9, "try": 3, "after": 6}  # leaves room in 80 characters
_WIDEST: Final = 44  # characters of a result


class View:
    """Shows the cases and the states of their jobs. Use it as a context manager."""

    def __init__(self, cases: list[Case]) -> None:
        self._cases = cases
        self._began = time.monotonic()
        self._seen: dict[str, JobSnapshot] = {}
        self._ended: dict[str, float] = {}
        self._console = Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, case: Case, seen: JobSnapshot, *, ended: bool) -> None:
        """Show the state of a case's job."""
        before = self._seen.get(case.name)
        self._seen[case.name] = seen
        if ended:
            self._ended.setdefault(case.name, time.monotonic() - self._began)
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
        elif before is None or (before.state, before.attempts) != (seen.state, seen.attempts):
            clock = time.monotonic() - self._began
            note = f"  {_note(seen)}" if ended else ""
            self._say(f"{clock:5.1f} s  {case.task:<19}{case.name:<27}{seen.state}, attempt {seen.attempts}{note}")

    def say(self, text: str, style: str | None = None) -> None:
        """Print a text under the table."""
        self._console.print(text, style=style if self._live is not None else None, markup=False)

    def _say(self, text: str) -> None:
        print(text.rstrip(), flush=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
        for name, width in _COLUMNS.items():
            table.add_column(name, no_wrap=True, width=width)
        table.add_column("result", no_wrap=True, overflow="ellipsis", ratio=1)
        for case in self._cases:
            seen = self._seen.get(case.name)
            state = seen.state if seen else ""
            ended = self._ended.get(case.name)
            table.add_row(
                case.name,
                Text(case.task, style="dim"),
                Text(state, style=_STYLES.get(state, "dim")),
                str(seen.attempts) if seen else "",
                f"{ended:.1f} s" if ended is not None else "",
                Text(_note(seen) if seen else "", style="dim"),
            )
        return table


def _note(seen: JobSnapshot) -> str:
    text = seen.error or "" if seen.state != "succeeded" else _short(seen.result)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _short(result: Any) -> str:
    return "" if result is None else json.dumps(result)
