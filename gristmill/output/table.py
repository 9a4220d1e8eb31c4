"""Tables of which every row is one line, whatever the width."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gristmill.output.paper import Paper
from gristmill.output.values import columns_of, cut, one_line, text_of

_GAP: Final = 2
_LONGEST_ID: Final = 40  # columns that the own id of a row keeps, as long as the line has them: a UUID has 36
_COLOURS: Final = {
    "succeeded": "green",
    "running": "cyan",
    "retrying": "yellow",
    "dead": "red",
    "failed": "red",
    "lost": "red",
    "cancelled": "bright_black",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: its heading.
        value: returns the text of a row.
        least: columns to which it may be cut when the line is too long; 0 for a column that is never cut.
        is_id: whether it is the row's own id: whole up to 40 columns, and never left out.
        wide: whether it is shown in wide tables only.
        right: whether it is aligned to the right.
        coloured: whether states in it are coloured.
    """

    name: str
    value: Callable[[Mapping[str, Any], Paper], str]
    least: int = 0
    is_id: bool = False
    wide: bool = False
    right: bool = False
    coloured: bool = False


@dataclass(slots=True)
class _Laid:
    """A column with its texts and the width that it gets."""

    column: Column
    texts: list[str]
    width: int


def plain(name: str, field: str, **options: Any) -> Column:
    """Return a column that shows a field as it is."""
    return Column(name=name, value=lambda row, _paper: text_of(row[field]), **options)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], paper: Paper) -> list[str]:
    """Return the lines of a table, the headings first. Columns in which nothing stands are left out.

    On paper that is too narrow, columns that may be cut are cut, the widest first, then the last columns are left out,
    and then the line is cut. Wide tables have all columns, whole.
    """
    laid = [_lay(column, rows, paper) for column in columns if paper.wide or not column.wide]
    laid = [each for each in laid if any(each.texts) or each.column.is_id]
    if paper.width is not None:
        _fit(laid, paper.width)
    heads = [each.column.name for each in laid]
    lines = [_line(laid, heads, paper, bold=True)]
    return lines + [_line(laid, [each.texts[index] for each in laid], paper) for index in range(len(rows))]


def _lay(column: Column, rows: Sequence[Mapping[str, Any]], paper: Paper) -> _Laid:
    texts = [one_line(column.value(row, paper)) for row in rows]
    return _Laid(column, texts, max(map(columns_of, [column.name, *texts])))


def _fit(laid: list[_Laid], width: int) -> None:
    """Make the columns fit: the widest of those that may be cut becomes shorter first."""
    while (over := _total(laid) - width) > 0:
        elastic = [each for each in laid if each.width > _least(each)]
        if elastic:
            widest = max(elastic, key=lambda each: each.width)
            rest = max((each.width for each in elastic if each is not widest), default=0)
            floor = max(_least(widest), min(rest, widest.width - 1))
            widest.width = max(floor, widest.width - over)
            continue
        spare = [each for each in laid if not each.column.is_id]
        if not spare:
            laid[0].width = width
            return
        laid.remove(spare[-1])


def _least(each: _Laid) -> int:
    least = _LONGEST_ID if each.column.is_id else each.column.least or each.width
    return max(least, columns_of(each.column.name))


def _total(laid: Sequence[_Laid]) -> int:
    return sum(each.width for each in laid) + _GAP * (len(laid) - 1)


def _line(laid: Sequence[_Laid], texts: Sequence[str], paper: Paper, *, bold: bool = False) -> str:
    cells = []
    for each, text in zip(laid, texts, strict=True):
        fitted = cut(text, each.width)
        space = " " * (each.width - columns_of(fitted))
        shown = paper.paint(fitted, _COLOURS.get(text) if each.column.coloured else None, bold=bold)
        cells.append(f"{space}{shown}" if each.column.right else f"{shown}{space}")
    return (" " * _GAP).join(cells).rstrip()
