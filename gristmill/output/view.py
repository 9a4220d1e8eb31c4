"""Options of every command that lists or shows, and the view that they describe: `-o`, `--json`, `--watch`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from gristmill.output.paper import Paper, paper_for
from gristmill.output.redraw import LONGEST, SHORTEST, redraw

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend

F = TypeVar("F", bound=Callable[..., Any])
FORMATS: Final = ("table", "wide", "json")
MOST: Final = 1_000  # entries of a list


@dataclass(frozen=True, slots=True)
class View:
    """The way in which a command shows what it has found.

    Attributes:
        format: one of `FORMATS`.
        every: seconds between two looks; None for a single one.
        limit: entries of a list, at most.
    """

    format: str = "table"
    every: float | None = None
    limit: int = 20

    def show_local(self, ask: Callable[[], Any], draw: Callable[[Any, Paper], Sequence[str]], title: str) -> None:
        """Show what this machine knows, as `show` does with what a platform answers."""
        self._show(ask, draw, title, lambda: datetime.now(UTC))

    def show(
        self, backend: "Backend", ask: Callable[[], Any], draw: Callable[[Any, Paper], Sequence[str]], title: str
    ) -> None:
        """Ask and show the answer, once or until Ctrl-C.

        Args:
            backend: whose clock tells the ages.
            ask: returns the answer, in the shape of the API.
            draw: returns the lines of the answer for people.
            title: what is shown.
        """
        self._show(ask, draw, title if self.every is None else f"{title} of {backend.title}", backend.clock)

    def _show(
        self,
        ask: Callable[[], Any],
        draw: Callable[[Any, Paper], Sequence[str]],
        title: str,
        clock: Callable[[], datetime],
    ) -> None:
        def look() -> Sequence[str]:
            answer = ask()
            if self.format == "json":
                return [json.dumps(answer, indent=2, ensure_ascii=False)]
            return draw(answer, paper_for(wide=self.format == "wide", clock=clock))

        if self.every is None:
            for line in look():
                click.echo(line)
        else:
            redraw(lambda: _patiently(look), every=self.every, title=title)


def view_options(command: F) -> F:
    """Add the options of a view to a command, which gets it as `view`."""
    return _as_view(command, [])


def list_options(default: int = 20) -> Callable[[F], F]:
    """Add the options of a view, and `--limit`, to a command that shows a list."""
    limit = click.option(
        "--limit", type=click.IntRange(1, MOST), default=default, show_default=True, help="Entries to show, at most."
    )
    return lambda command: _as_view(command, [limit])


def say_more(answer: Any, limit: int) -> None:
    """Say on standard error that a list was cut off."""
    if answer["next_cursor"] is not None:
        click.echo(f"There are more than these {limit}: --limit shows up to {MOST} of them", err=True)


def _as_view(command: F, more: Sequence[Callable[[Any], Any]]) -> F:
    @wraps(command)
    def with_view(*, output: str, as_json: bool, again: bool, every: float, **others: Any) -> Any:
        limit = {"limit": others.pop("limit")} if more else {}
        view = View("json" if as_json else output, every if again else None, **limit)
        return command(view=view, **others)

    shown: Any = with_view
    for option in (*_OPTIONS, *more):
        shown = option(shown)
    return shown  # type: ignore[no-any-return]  # click's options return what they are given


def _patiently(look: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Look, and tell an error that may pass instead of ending with it."""
    from gristmill.explain import describe, may_pass

    try:
        return look()
    except Exception as error:
        if not may_pass(error):
            raise
        return [f"Error: {describe(error)}"]


_OPTIONS: Final = (
    click.option(
        "--every",
        type=click.FloatRange(SHORTEST, LONGEST),
        default=2.0,
        show_default=True,
        help="Seconds between two looks, with --watch.",
    ),
    click.option("--watch", "again", is_flag=True, help="Show it again and again, until Ctrl-C."),
    click.option("--json", "as_json", is_flag=True, help="The same as -o json."),
    click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="table: one line a row; wide: every column, whole; json: the answer of the API.",
    ),
)
