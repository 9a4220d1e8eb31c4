"""Count rows up to a bound of number and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Select, func, select, union_all

from gristmill.shared.database.timeouts import statement_timeout

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_COUNTED: Final = 10_000  # takes some milliseconds; whoever needs more wants statistics


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows: exactly `count`, or more than `count`."""

    count: int
    more: bool

    def __str__(self) -> str:
        return f"more than {self.count}" if self.more else str(self.count)


def count_rows(session: Session, *queries: Select[Any]) -> Count:
    """Count the rows that `queries` find together, up to `MOST_COUNTED`.

    Raises:
        FilterTooSlowError: even the bounded count takes too long.
    """
    bounded = [query.limit(MOST_COUNTED + 1) for query in queries]
    rows = union_all(*bounded).limit(MOST_COUNTED + 1) if len(bounded) > 1 else bounded[0]
    with statement_timeout(session):
        number = session.scalars(select(func.count()).select_from(rows.subquery())).one()
    return Count(min(number, MOST_COUNTED), number > MOST_COUNTED)
