"""Prepare statements that a connection plans once, in sessions that commit each statement by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from gristmill.shared.database.connect import COMMITS_BY_ITSELF
from gristmill.shared.database.direct import Direct, rows_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, TextClause
    from sqlalchemy.orm import Session

_BIND: Final = re.compile(r"(?<![:\w\\]):([a-z_]\w*)")
_PREPARED: Final = "prepared statements"  # key of a connection's info, which lasts as long as the connection
# invalid_sql_statement_name, duplicate_prepared_statement: a pooler has switched this connection to another session.
# feature_not_supported: "cached plan must not change result type", after a migration.
_PLAN_IS_GONE: Final = frozenset({"26000", "42P05", "0A000"})


class Prepared:
    """A statement that a session of the server plans once and keeps under a name.

    Planning takes longer than writing a few rows, and psycopg2 plans each time. Inside a transaction the statement is
    executed without a kept plan, because an error about the plan would end the transaction.

    Args:
        name: unique among all prepared statements.
        statement: with `:name` for each value, and without a percent sign.
        types: the Postgres type of each value, by its name.
    """

    def __init__(self, name: str, statement: TextClause, types: Mapping[str, str]) -> None:
        self.statement = statement
        self._direct = Direct(statement)
        self._name = name
        self._order = list(types)
        numbered = _BIND.sub(lambda found: f"${self._order.index(found[1]) + 1}", statement.text)
        self._prepare = f"PREPARE {name} ({', '.join(types.values())}) AS {numbered}"
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})"
        assert "%" not in self._prepare, name  # noqa: S101  the driver would read it as a placeholder

    def rows(self, session: Session, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute the statement and return its rows, the columns in their order."""
        if not session.info.get(COMMITS_BY_ITSELF):
            return self._direct.rows(session, values)
        connection = session.connection()
        try:
            return self._rows_by_plan(connection, values)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _PLAN_IS_GONE:
                raise
            connection.info[_PREPARED].discard(self._name)
            return self._direct.rows(session, values)

    def _rows_by_plan(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        prepared: set[str] = connection.info.setdefault(_PREPARED, set())
        if self._name not in prepared:
            connection.exec_driver_sql(self._prepare)
            prepared.add(self._name)
        return rows_of(connection, self._execute, [values[name] for name in self._order])
