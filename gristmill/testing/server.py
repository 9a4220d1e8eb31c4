"""The Postgres server of a session of tests: a migrated template, and a database that each test gets anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import psycopg2
from sqlalchemy import create_engine, make_url, pool

from gristmill.shared.database.connect import driver_url, libpq_url
from gristmill.testing.folder import server_folder
from gristmill.testing.mill_error import MillError
from gristmill.testing.queries_clock import make_clock, use_clock_in_functions
from gristmill.testing.queries_databases import copy_database, create_database, drop_database

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name
    from sqlalchemy import Engine

Fill = Callable[["Engine", str], object]
# Nothing has to survive: not a crash, and not even the end of the session.
_FAST: Final = {
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    "max_wal_size": "256MB",
}


class Server:
    """A server on which this session makes databases. Of a given server it touches no other ones.

    Attributes:
        url: the URL of the database that each test gets anew. It stays the same for the session.
    """

    def __init__(self, url: str) -> None:
        self._given = make_url(libpq_url(url))
        name = f"gristmill_test_{token_hex(4)}"
        self._name, self._template = name, f"{name}_template"
        self.url = self._url_of(name)
        self._connection: PostgresConnection | None = None

    def prepare(self, fill: Fill) -> None:
        """Make the template: an empty database with a clock, and what `fill` puts into it.

        Args:
            fill: gets an engine on the template, and its URL.

        Raises:
            MillError: the role may not create databases, or has a search path of its own.
        """
        try:
            create_database(self._connected(), self._template)
        except psycopg2.errors.InsufficientPrivilege as error:
            msg = f"The role {self._given.username} may not create databases: give it the right CREATEDB"
            raise MillError(msg) from error
        url = self._url_of(self._template)
        engine = create_engine(driver_url(url), poolclass=pool.NullPool)
        with engine.begin() as connection:
            if not make_clock(connection):
                msg = (
                    f"The role {self._given.username} has a search path of its own, which hides the clock of the "
                    "tests: reset its search_path, or name another role in the URL of the server"
                )
                raise MillError(msg)
        fill(engine, url)
        with engine.begin() as connection:
            use_clock_in_functions(connection)
        with engine.connect():  # the first one after a change of the schema writes a cache of the catalog, to be copied
            pass

    def renew(self) -> None:
        """Replace the database of the tests by a new copy of the template."""
        copy_database(self._connected(), self._name, template=self._template)

    def close(self) -> None:
        """Drop what this session has made, and close the connection."""
        if self._connection is not None:
            for name in (self._name, self._template):
                drop_database(self._connection, name)
            self._connection.close()

    def _url_of(self, name: str) -> str:
        return self._given.set(database=name).render_as_string(hide_password=False)

    def _connected(self) -> PostgresConnection:
        if self._connection is None:
            self._connection = psycopg2.connect(self._given.render_as_string(hide_password=False), connect_timeout=20)
            self._connection.autocommit = True
        return self._connection


@contextmanager
def running(given: str | None) -> Iterator[Server]:
    """Yield a server: one that this session starts and stops, or the one of a URL."""
    with ExitStack() as stack:
        server = Server(given or stack.enter_context(_embedded()))
        stack.callback(server.close)
        yield server


@contextmanager
def _embedded() -> Iterator[str]:
    """Run an embedded Postgres, which ends with this process, and yield its URL."""
    from gristmill.services.postgres import Postgres

    with server_folder() as folder, Postgres(folder / "postgres", settings=_FAST, durable=False) as postgres:
        yield postgres.url_of("postgres")
