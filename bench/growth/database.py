"""A private Postgres to measure on, with a migrated database for each case and no other process."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

import psycopg2
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name

from gristmill import migrations, ports
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import Secret, load_settings

_START_SECONDS: Final = 60.0
_NOBODY: Final = f"{ports.LOOPBACK}:1"  # no broker, cache or mail server is asked for anything


class BenchDatabases:
    """A private server.

    Args:
        settings: of Postgres, beside those that `make up` has.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gristmill-growth-"))
        self._folder.chmod(0o755)  # Postgres may have to run as nobody; what is in it is private
        self._postgres = Postgres(self._folder / "postgres", settings=settings)
        self._databases: list[Database] = []

    def __enter__(self) -> Self:
        try:
            self._postgres.start(_START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for database in self._databases:
            database.dispose()
        self._postgres.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def make_database(self, name: str) -> Database:
        """Make a migrated database and return a way to it."""
        with self.connected("gristmill") as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        migrations.upgrade(self.url_of(name))
        os.environ.update(
            GRISTMILL_DATABASE_URL=self.url_of(name),
            GRISTMILL_BROKER_URL=f"redis://{_NOBODY}/0",
            GRISTMILL_REDIS_URL=f"redis://{_NOBODY}/1",
            GRISTMILL_SMTP_URL=f"smtp://{_NOBODY}",
            GRISTMILL_SECRET_KEY=secrets.token_hex(32),
            GRISTMILL_DEMO_TASKS="true",
        )
        settings = replace(load_settings(dotenv=None), database_url=Secret(self.url_of(name)))
        self._databases.append(Database(settings, application_name="growth", pool_size=1))
        return self._databases[-1]

    def url_of(self, name: str) -> str:
        """Return the URL of one of the databases."""
        return self._postgres.url_of(name)

    @contextmanager
    def connected(self, name: str) -> Iterator[PostgresConnection]:
        """Connect to a database; each statement commits by itself."""
        connection = psycopg2.connect(self.url_of(name))
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def query(self, name: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement in a database and return its rows."""
        with self.connected(name) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
