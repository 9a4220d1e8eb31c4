"""Create, copy and drop the databases of tests."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import sql

from gristmill.shared.database.connect import libpq_url


def create_database(url: str, name: str) -> None:
    """Create an empty database on the server of `url`."""
    _execute(url, "CREATE DATABASE {}", name)


def copy_database(url: str, name: str, *, template: str) -> None:
    """Create a copy of `template`, to which nobody may be connected. Through the log it takes no checkpoint."""
    _execute(url, "CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log", name, template)


def drop_database(url: str, name: str) -> None:
    """Drop a database if it is there, and end the connections to it."""
    _execute(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(url: str, statement: str, *names: str) -> None:
    """Execute one statement that no transaction may hold, with quoted names put in."""
    with closing(psycopg2.connect(libpq_url(url))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
