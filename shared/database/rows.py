"""Convert the result of a statement: rows to objects, or the number of rows it has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import CursorResult

if TYPE_CHECKING:
    from sqlalchemy import Result

Made = TypeVar("Made")


def rows_moved(result: Result[Any]) -> int:
    """Return the number of rows that an INSERT, UPDATE or DELETE has changed."""
    assert isinstance(result, CursorResult)  # noqa: S101  what Session.execute returns for a statement without ORM rows
    return int(result.rowcount)


def rows_as(kind: Callable[..., Made], result: Result[Any]) -> list[Made]:
    """Return each row as `kind(**columns)`."""
    return [kind(**row) for row in result.mappings()]


def row_as(kind: Callable[..., Made], result: Result[Any]) -> Made | None:
    """Return the only row as `kind(**columns)`, None when there is none.

    Raises:
        sqlalchemy.exc.MultipleResultsFound: there are several.
    """
    row = result.mappings().one_or_none()
    return None if row is None else kind(**row)
