"""Enqueue on a session or connection of SQLAlchemy, with any driver for Postgres."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gristmill.shared.base.secret import SESSION_KEY, Secret
from gristmill.shared.enqueuing.loaded_class import is_instance
from gristmill.shared.enqueuing.refused_connections import refuse_asynchronous, refuse_autocommit, refuse_other_database

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from gristmill.shared.enqueuing.queries_call import Call


def platform_session(session: Any) -> Session | None:
    """Return the session if it is one of the platform's own, which knows its tasks and writes into its tables."""
    if is_instance(session, "sqlalchemy.orm", "Session") and isinstance(session.info.get(SESSION_KEY), Secret):
        own: Session = session
        return own
    return None


def reach(session: Any) -> Callable[[Call], Any] | None:
    """Return the function that executes a call in the transaction of `session`; None if that is not SQLAlchemy's.

    Raises:
        EnqueueError: it commits by itself, is to be awaited, or leads to another database.
    """
    if is_instance(session, "sqlalchemy.ext.asyncio", "AsyncSession", "async_scoped_session", "AsyncConnection"):
        cure = "Write `await session.run_sync(lambda session: enqueue(session, …))`."
        raise refuse_asynchronous(type(session).__name__, cure)
    if is_instance(session, "sqlalchemy.orm", "Session", "scoped_session"):
        connection: Connection = session.connection()
    elif is_instance(session, "sqlalchemy", "Connection"):
        connection = session
    else:
        return None
    if connection.dialect.name != "postgresql":
        raise refuse_other_database(connection.dialect.name)
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        raise refuse_autocommit("Use an engine or a connection without isolation_level='AUTOCOMMIT'.")
    return partial(_execute, connection)


def _execute(connection: Connection, call: Call) -> Any:
    return connection.execute(call.text_clause, call.values).scalar_one()
