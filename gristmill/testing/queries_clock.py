"""A clock of one database that can be moved: functions that hide those of Postgres by the search path.

Every statement that asks for `clock_timestamp()`, `statement_timestamp()`, `transaction_timestamp()` or `now()` without
a schema, and every default of a column that does, gets the time of Postgres plus what the clock was moved by.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

_VOLATILE: Final = {"clock_timestamp": "VOLATILE"}
_FUNCTION: Final = """
    CREATE FUNCTION gristmill_clock.{name}() RETURNS timestamptz LANGUAGE sql {volatility} AS
    'SELECT pg_catalog.{name}() + (SELECT microseconds FROM gristmill_clock.moved) * interval ''1 microsecond'''
"""
_MAKE: Final = (
    "CREATE SCHEMA gristmill_clock",
    "CREATE TABLE gristmill_clock.moved (microseconds bigint NOT NULL)",
    "INSERT INTO gristmill_clock.moved VALUES (0)",
    "GRANT USAGE ON SCHEMA gristmill_clock TO PUBLIC",  # a role that may only enqueue has this clock, too
    "GRANT SELECT ON gristmill_clock.moved TO PUBLIC",
    *(
        _FUNCTION.format(name=name, volatility=_VOLATILE.get(name, "STABLE"))
        for name in ("clock_timestamp", "statement_timestamp", "transaction_timestamp", "now")
    ),
)
_FIXED_PATHS: Final = text(
    """
    SELECT format('ALTER FUNCTION %s SET search_path = gristmill_clock, %s', pg_proc.oid::regprocedure,
                  substr(setting, length('search_path=') + 1))
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace, unnest(proconfig) AS setting
    WHERE setting LIKE 'search_path=%' AND nspname NOT IN ('pg_catalog', 'information_schema')
      AND proowner = CAST(current_user AS regrole)
    """
)
_IS_USED: Final = text("SELECT to_regproc('clock_timestamp') = CAST('gristmill_clock.clock_timestamp' AS regproc)")
_MOVE: Final = text(
    "UPDATE gristmill_clock.moved SET microseconds = microseconds + :microseconds RETURNING microseconds"
)
_AHEAD: Final = text("SELECT CAST(:at AS timestamptz) - clock_timestamp()")


def make_clock(connection: Connection) -> bool:
    """Make the clock in an empty database. Returns whether a new connection to it uses the clock."""
    for statement in _MAKE:
        connection.exec_driver_sql(statement)
    return bool(connection.execute(_IS_USED).scalar_one())


def use_clock_in_functions(connection: Connection) -> None:
    """Let functions with a search path of their own, such as `gristmill.enqueue`, use the clock."""
    for statement in connection.execute(_FIXED_PATHS).scalars().all():
        connection.exec_driver_sql(statement)


def move_clock(session: Session, by: timedelta) -> None:
    """Move the clock."""
    session.execute(_MOVE, {"microseconds": round(by / timedelta(microseconds=1))})


def read_distance(session: Session, at: datetime) -> timedelta:
    """Return the time from now, by the clock, until `at`; negative when that is past."""
    distance: timedelta = session.execute(_AHEAD, {"at": at}).scalar_one()
    return distance
