"""Limit how long the statements of a transaction may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from psycopg2.errors import QueryCanceled
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gristmill.shared.errors import FilterTooSlowError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

STATEMENT_SECONDS: Final = 8.0  # longer than a wait for a lock, shorter than most clients wait

_SET_TIMEOUT = text("SELECT set_config('statement_timeout', :milliseconds, true)")


def limit_statements(session: Session, *, seconds: float) -> None:
    """Give each statement `seconds`, until the transaction ends."""
    session.execute(_SET_TIMEOUT, {"milliseconds": f"{seconds * 1000:.0f}ms"})


@contextmanager
def statement_timeout(session: Session) -> Iterator[None]:
    """Limit each statement that applies a filter to `STATEMENT_SECONDS`; the limit lasts until the transaction ends.

    Raises:
        FilterTooSlowError: a statement of the block took longer.
    """
    limit_statements(session, seconds=STATEMENT_SECONDS)
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.orig, QueryCanceled):
            raise
        msg = f"This filter takes longer than {STATEMENT_SECONDS:g} s to evaluate: narrow it"
        advice = "Add a condition that leaves fewer rows to read: created_at, queue, or a live state."
        raise FilterTooSlowError(msg, {"where": [advice]}) from None
