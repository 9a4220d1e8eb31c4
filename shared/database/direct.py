"""Execute statements of the hot path by the driver itself, in the transaction of the session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import psycopg2
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

if TYPE_CHECKING:
    from sqlalchemy import Connection, TextClause
    from sqlalchemy.orm import Session


_Row = TypeVar("_Row", bound=tuple[Any, ...])


class Direct:
    """A statement that is compiled once, when its module is imported.

    `Session.execute` takes three times as long as the driver does: each time it looks the compiled statement up, makes
    a context for it, and describes the columns of the result. A direct statement returns the driver's own rows. Its
    transaction, connection and errors are the session's, as with `Session.execute`.

    Args:
        statement: with `:name` for each value.
    """

    def __init__(self, statement: TextClause) -> None:
        self.statement = statement
        self._sql = str(statement.compile(dialect=PGDialect_psycopg2()))  # type: ignore[no-untyped-call]  # SQLAlchemy

    def rows(self, session: Session, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute the statement and return its rows, the columns in their order.

        Raises:
            sqlalchemy.exc.DBAPIError: as `Session.execute` raises it.
        """
        return rows_of(session.connection(), self._sql, values)


def array_of(numbers: Iterable[int]) -> str:
    """Return numbers as the text of a Postgres array: one value to quote and to parse, however many numbers."""
    return f"{{{','.join(map(str, numbers))}}}"


def array_of_ids(ids: Iterable[UUID]) -> str:
    """Return ids as the text of a Postgres array, without dashes: those would take longer than all the rest."""
    return f"{{{','.join([one.hex for one in ids])}}}"


def in_order_of_ids(rows: Iterable[_Row]) -> list[_Row]:
    """Sort rows by the id in their first column, as Postgres sorts ids."""
    return sorted(rows, key=lambda row: row[0].int)


def rows_of(connection: Connection, sql: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Execute a statement in the syntax of the driver, and return its rows.

    Raises:
        sqlalchemy.exc.DBAPIError: as `Session.execute` raises it.
    """
    if not _is_plain(connection):
        given = dict(values) if isinstance(values, Mapping) else tuple(values)
        return [tuple(row) for row in connection.exec_driver_sql(sql, given)]
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
    except BaseException as error:  # noqa: BLE001  it is raised again
        # Only this method recognizes a cut connection, and removes others like it from the pool. Called without a
        # statement, it lets an error pass that is not the driver's, for instance the time limit of a handler.
        statement = sql if isinstance(error, psycopg2.Error) else None
        connection._handle_dbapi_exception(error, statement, values, cursor, None)  # noqa: SLF001  as said
    finally:
        cursor.close()


def _is_plain(connection: Connection) -> bool:
    """Return whether SQLAlchemy would only execute: a transaction is active, and no event has a listener."""
    transaction = connection.get_transaction()
    has_listeners = connection._has_events or connection.engine._has_events  # noqa: SLF001  as its own execution asks
    return transaction is not None and transaction.is_active and not has_listeners
