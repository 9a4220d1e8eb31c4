"""Statements of the hot path: handed to the driver as they are, in the transaction of the session that asks."""

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

    `Session.execute` takes three times as long as the driver does: it looks the compiled statement up, makes a context
    for it, and describes the columns of its answer anew each time. Here the driver's own rows come back. Transaction,
    connection and errors are the session's, as with `Session.execute`.

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
    """Return numbers as Postgres reads an array: one value to quote and to parse, however many they are."""
    return f"{{{','.join(map(str, numbers))}}}"


def array_of_ids(ids: Iterable[UUID]) -> str:
    """Return ids as Postgres reads an array. Without their dashes: those take Python longer than the rest."""
    return f"{{{','.join([one.hex for one in ids])}}}"


def in_order_of_ids(rows: Iterable[_Row]) -> list[_Row]:
    """Return rows that begin with an id in the order in which Postgres sorts their ids."""
    return sorted(rows, key=lambda row: row[0].int)


def rows_of(connection: Connection, sql: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Execute what the driver reads, and return its rows.

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
        # Its only place that tells a cut connection, and empties the pool of its like. Without a statement it lets
        # an error pass that is not the driver's, the time limit of a handler for instance.
        told = sql if isinstance(error, psycopg2.Error) else None
        connection._handle_dbapi_exception(error, told, values, cursor, None)  # noqa: SLF001  as said
    finally:
        cursor.close()


def _is_plain(connection: Connection) -> bool:
    """Say whether SQLAlchemy would do nothing but execute: its transaction goes on, and nobody listens."""
    transaction = connection.get_transaction()
    listened = connection._has_events or connection.engine._has_events  # noqa: SLF001  as its own execution asks
    return transaction is not None and transaction.is_active and not listened
