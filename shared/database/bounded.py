"""Look at rows by a filter without running away: bounded in time and in what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg2.errors import QueryCanceled
from sqlalchemy import Select, func, select, text, union_all
from sqlalchemy.exc import OperationalError

from gristmill.shared.errors import FilterTooSlowError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST_COUNTED: Final = 10_000  # some milliseconds; who needs more than "more than ten thousand" wants statistics
PATIENCE: Final = 8.0  # seconds; longer than a wait for a lock, shorter than most clients wait

_PATIENCE = text("SELECT set_config('statement_timeout', :milliseconds, true)")


@contextmanager
def patiently(session: Session) -> Iterator[None]:
    """Give each statement of the block `PATIENCE` seconds, to the end of the transaction.

    Raises:
        FilterTooSlowError: one took longer.
    """
    session.execute(_PATIENCE, {"milliseconds": f"{PATIENCE * 1000:.0f}ms"})
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.orig, QueryCanceled):
            raise
        msg = f"Looking through all that this filter would have to see takes longer than {PATIENCE:g} s: narrow it"
        way = "Add what leaves fewer rows to look at: created_at, queue, or a live state."
        raise FilterTooSlowError(msg, {"where": [way]}) from None


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are: `count`, or more than that."""

    count: int
    more: bool

    def __str__(self) -> str:
        return f"more than {self.count}" if self.more else str(self.count)


def count_rows(session: Session, *queries: Select[Any]) -> Count:
    """Count the rows that `queries` find together, up to `MOST_COUNTED`.

    Raises:
        FilterTooSlowError: even that takes too long.
    """
    bounded = [query.limit(MOST_COUNTED + 1) for query in queries]
    some = union_all(*bounded).limit(MOST_COUNTED + 1) if len(bounded) > 1 else bounded[0]
    with patiently(session):
        number = session.scalars(select(func.count()).select_from(some.subquery())).one()
    return Count(min(number, MOST_COUNTED), number > MOST_COUNTED)
