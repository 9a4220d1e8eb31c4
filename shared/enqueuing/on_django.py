"""Enqueue on a database connection of Django, with psycopg2 or psycopg."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from gristmill.shared.enqueuing.loaded_class import is_instance
from gristmill.shared.enqueuing.refused_connections import refuse_autocommit, refuse_other_database

if TYPE_CHECKING:
    from gristmill.shared.enqueuing.queries_call import Call


def reach(connection: Any) -> Callable[[Call], Any] | None:
    """Return the function that executes a call in the transaction of `connection`; None if that is not Django's.

    Raises:
        EnqueueError: there is no transaction, or it leads to another database.
    """
    is_proxy = is_instance(connection, "django.utils.connection", "ConnectionProxy")  # what `django.db.connection` is
    if not is_proxy and not is_instance(connection, "django.db.backends.base.base", "BaseDatabaseWrapper"):
        return None
    if connection.vendor != "postgresql":
        raise refuse_other_database(connection.display_name)
    if not connection.in_atomic_block and connection.get_autocommit():
        raise refuse_autocommit("Write `with transaction.atomic():` around the rows and enqueue.")
    return partial(_execute, connection)


def _execute(connection: Any, call: Call) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(call.driver_statement, dict(call.values))
        return cursor.fetchone()[0]
