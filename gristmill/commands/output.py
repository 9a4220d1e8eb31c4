"""Print lists and things: as a table for people, as JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_WIDEST: Final = 60  # characters of a column in plain text


def json_option(command: F) -> F:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")(command)


def page_options(default: int = 20) -> Callable[[F], F]:
    """Add `--limit` and `--json` to a command that prints a list with `show_page`.

    Args:
        default: Entries that are shown unless `--limit` says otherwise.
    """
    limit = click.option(
        "--limit", type=click.IntRange(1, 1000), default=default, show_default=True, help="Entries to show, at most."
    )
    return lambda command: limit(json_option(command))


def show_page(find: Callable[[int], Iterable[Mapping[str, Any]]], *, limit: int, as_json: bool, empty: str) -> None:
    """Print the first entries of a list, and say on standard error when there are more.

    Args:
        find: Returns at most so many rows, the first ones of the list.
        limit: Rows to print, at most.
        as_json: Print one JSON document.
        empty: What to say when there are none.
    """
    rows = list(find(limit + 1))
    show_rows(rows[:limit], as_json=as_json, empty=empty)
    if len(rows) > limit:
        click.echo(f"There are more than these {limit}: --limit shows up to 1000 of them", err=True)


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows that have the same fields, or `empty` when there are none."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows], default=_plain, indent=2))
    elif not rows:
        click.echo(empty)
    elif sys.stdout.isatty():
        _show_table(rows)
    else:
        lines = [list(rows[0])] + [[text_of(value) for value in row.values()] for row in rows]
        widths = [min(_WIDEST, max(map(len, column))) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(cells).rstrip())


def show_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line for each of its fields."""
    if as_json:
        click.echo(json.dumps(fields, default=_plain, indent=2))
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is None or value in ([], {}):
            continue
        lines = text_of(value).splitlines() or [""]
        click.echo(f"{name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            click.echo(f"{'':<{width}}  {line}")


def text_of(value: Any) -> str:
    """Return a value as a person reads it: times in UTC to the second, an empty text for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=_plain)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return sorted(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else str(value)


def _show_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(text_of(value)) for value in row.values()))
    Console().print(table)
