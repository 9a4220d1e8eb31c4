"""Enqueue on a connection or cursor of psycopg2 or psycopg."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gristmill.shared.enqueuing.loaded_class import is_instance
from gristmill.shared.enqueuing.queries_call import BY_HAND
from gristmill.shared.enqueuing.refused_connections import refuse_asynchronous, refuse_autocommit

if TYPE_CHECKING:
    from gristmill.shared.enqueuing.queries_call import Call

_IDLE = 0  # libpq's PQTRANS_IDLE, which both drivers report: no transaction is open


def reach(connection: Any) -> Callable[[Call], Any] | None:
    """Return the function that executes a call in the transaction of `connection`; None if that is no such driver's.

    Raises:
        EnqueueError: it commits by itself, or is to be awaited.
    """
    if is_instance(connection, "psycopg", "AsyncConnection", "AsyncCursor"):
        cure = f'Execute the function of the database: `await connection.execute("{BY_HAND}", (task, Jsonb(args)))`.'
        raise refuse_asynchronous(type(connection).__name__, cure)
    if is_instance(connection, "psycopg", "Cursor") or is_instance(connection, "psycopg2.extensions", "cursor"):
        connection = connection.connection
    make_cursor = _cursors_of(connection)
    if make_cursor is None:
        return None
    if connection.autocommit and connection.info.transaction_status == _IDLE:
        raise refuse_autocommit("Switch autocommit off, or open a transaction first.")
    return partial(_execute, make_cursor)


def _cursors_of(connection: Any) -> Callable[[], Any] | None:
    """Return what makes a cursor with rows as tuples, whatever the connection is set to."""
    if is_instance(connection, "psycopg", "Connection"):
        return partial(sys.modules["psycopg"].Cursor, connection, row_factory=sys.modules["psycopg.rows"].tuple_row)
    if is_instance(connection, "psycopg2.extensions", "connection"):
        return partial(connection.cursor, cursor_factory=sys.modules["psycopg2.extensions"].cursor)
    return None


def _execute(make_cursor: Callable[[], Any], call: Call) -> Any:
    with make_cursor() as cursor:
        cursor.execute(call.driver_statement, call.values)
        return cursor.fetchone()[0]
