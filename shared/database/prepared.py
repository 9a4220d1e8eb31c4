"""Statements that a connection plans once, where each statement commits by itself."""

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
_KNOWN: Final = "prepared statements"  # in what a connection carries as long as it lasts
# invalid_sql_statement_name, duplicate_prepared_statement: a pooler between us and the server gave us another session.
# feature_not_supported: "cached plan must not change result type", after a migration.
_NOT_HERE: Final = frozenset({"26000", "42P05", "0A000"})


class Prepared:
    """A statement with a name under which a session of the server keeps its plan.

    Planning takes longer than writing a few rows does, and psycopg2 plans each time. In a transaction the statement is
    executed as it is: there an error could not be survived.

    Args:
        name: of no other statement.
        statement: with `:name` for each value, and without a percent sign.
        types: of the values, in Postgres' words.
    """

    def __init__(self, name: str, statement: TextClause, types: Mapping[str, str]) -> None:
        self.statement = statement
        self._direct = Direct(statement)
        self._name = name
        self._order = list(types)
        numbered = _BIND.sub(lambda found: f"${self._order.index(found[1]) + 1}", statement.text)
        self._prepare = f"PREPARE {name} ({', '.join(types.values())}) AS {numbered}"
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})"
        assert "%" not in self._prepare, name  # noqa: S101  the driver would take it for a value's place

    def rows(self, session: Session, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return what the statement answers, the columns in their order."""
        if not session.info.get(COMMITS_BY_ITSELF):
            return self._direct.rows(session, values)
        connection = session.connection()
        try:
            return self._rows_by_plan(connection, values)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _NOT_HERE:
                raise
            connection.info[_KNOWN].discard(self._name)
            return self._direct.rows(session, values)

    def _rows_by_plan(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        known: set[str] = connection.info.setdefault(_KNOWN, set())
        if self._name not in known:
            connection.exec_driver_sql(self._prepare)
            known.add(self._name)
        return rows_of(connection, self._execute, [values[name] for name in self._order])
