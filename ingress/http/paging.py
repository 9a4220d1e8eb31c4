"""Answer a list route with one page and the cursor of the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.ingress.http.cursor import Cursor
    from gristmill.shared.database.connect import Database

Key = TypeVar("Key")
Row = TypeVar("Row")


def _unchanged(row: Row) -> Row:
    return row


def read_page(
    database: Database,
    wanted: dict[str, Any],
    list_rows: Callable[[Session, int, Key | None], Sequence[Row]],
    *,
    cursor: Cursor[Key],
    key_of: Callable[[Row], Key],
    show: Callable[[Row], Any] = _unchanged,
) -> dict[str, Any]:
    """Return one page of a list: `items`, and `next_cursor` when more rows follow.

    One row more than the page holds is read: only then is it known whether there is a next page.

    Args:
        database: where the rows are; they are read and shown in one transaction.
        wanted: the loaded request. Its `limit` and `cursor` are taken out, so that the filter remains.
        list_rows: lists at most so many rows, from the one after the key on, or from the first.
        cursor: the codec of the list's cursor.
        key_of: returns the sort key of a row.
        show: returns a row as it is answered.
    """
    limit, last = wanted.pop("limit"), wanted.pop("cursor", None)
    with database.transaction() as session:
        rows = list_rows(session, limit + 1, last)
        items = [show(row) for row in rows[:limit]]
    has_next = len(rows) > limit
    return {"items": items, "next_cursor": cursor.write(key_of(rows[limit - 1])) if has_next else None}
