"""An application of somebody else, in the database of the platform: its role may enqueue and has no table of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from uuid_utils.compat import uuid7

PAGE = Path(__file__).parents[3] / "docs" / "enqueue-from-your-application.md"
PASSWORD = "of-the-shop"


@dataclass(frozen=True)
class Application:
    """The application: the URL with which it connects, and that of the platform's owner."""

    url: str
    owner_url: str
    role: str

    def connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.url)

    def call(self, arguments: str, *values: Any) -> str:
        """Return what `SELECT gristmill.enqueue(<arguments>)` returns, committed."""
        with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT gristmill.enqueue({arguments})", values)
            return str(only(cursor.fetchone()))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows that the owner sees."""
        with closing(psycopg2.connect(self.owner_url)) as connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def jobs(self) -> list[tuple[Any, ...]]:
        """Return the task and the arguments of each job, oldest first."""
        return self.rows("SELECT task, args FROM gristmill.jobs ORDER BY id")

    def orders(self) -> list[int]:
        """Return the numbers of the rows that the application wrote."""
        return [row[0] for row in self.rows("SELECT number FROM shop.orders ORDER BY number")]


def only(row: tuple[Any, ...] | None) -> Any:
    assert row is not None
    return row[0]


def sql_blocks() -> list[str]:
    """Return the examples in SQL of the page, in their order."""
    return re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@contextmanager
def application_in(owner_url: str) -> Iterator[Application]:
    """Make a role with the grants of the page, and a schema of its own with a table of orders."""
    role = f"shop_{uuid7().hex}"
    url = urlsplit(owner_url)
    with closing(psycopg2.connect(owner_url)) as owner, owner.cursor() as cursor:
        owner.autocommit = True
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        cursor.execute(re.sub(r"\bshop_app\b", role, sql_blocks()[0]))
        cursor.execute(f"CREATE SCHEMA shop AUTHORIZATION {role}; CREATE TABLE shop.orders (number int PRIMARY KEY)")
        cursor.execute(f"ALTER TABLE shop.orders OWNER TO {role}")
        yield Application(url._replace(netloc=f"{role}:{PASSWORD}@{url.hostname}:{url.port}").geturl(), owner_url, role)
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
            (role,),
        )
        cursor.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
