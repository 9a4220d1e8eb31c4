"""Of each error that a database call ends with: is the database away, or did it refuse this one statement?"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy import Connection, create_engine, event, exc, text
from sqlalchemy.engine import make_url

from gristmill.ports import free_port
from gristmill.shared.base.outages import DATABASE_ERRORS, is_away, patiently
from gristmill.shared.database.connect import Database, driver_url, libpq_url
from tests.factories import terminate

Fails = Callable[[str], object]


@contextmanager
def connected(url: str, **options: Any) -> Iterator[Connection]:
    engine = create_engine(driver_url(url), **options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def executes(statement: str, *before: str, value: object = None) -> Fails:
    """Execute a statement of which the server, or the driver, makes an error."""

    def fail(url: str) -> None:
        with connected(url) as connection:
            for each in before:
                connection.exec_driver_sql(each)
            connection.exec_driver_sql(statement, None if value is None else (value,))

    return fail


def server_says(sqlstate: str) -> Fails:
    """Have the server raise an error of this SQLSTATE, which cannot be provoked in a test."""
    return executes(f"DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{sqlstate}'; END $$")


def nobody_listens(url: str) -> None:
    with connected(make_url(url).set(host="127.0.0.1", port=free_port()).render_as_string(hide_password=False)):
        pass


def the_backend_is_terminated(url: str) -> None:
    with connected(url) as connection:
        terminate(url, connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        connection.exec_driver_sql("SELECT 1")


def the_connection_is_closed_by_the_driver(url: str) -> None:
    with connected(url) as connection:
        connection.connection.dbapi_connection.close()  # type: ignore[union-attr]  # it is there while it is checked out
        connection.exec_driver_sql("SELECT 1")


def a_closed_connection_of_the_driver_is_used(url: str) -> None:
    connection = psycopg2.connect(libpq_url(url))
    connection.close()
    connection.cursor()


def the_server_hangs_up_on_the_driver(url: str) -> None:
    with closing(psycopg2.connect(libpq_url(url))) as connection, connection.cursor() as cursor:
        terminate(url, connection.info.backend_pid)
        cursor.execute("SELECT 1")


def the_driver_waits_for_a_lock(url: str) -> None:
    with connected(url) as holder, closing(psycopg2.connect(libpq_url(url))) as connection:
        holder.exec_driver_sql("LOCK TABLE gristmill.demo_effects")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10ms'; LOCK TABLE gristmill.demo_effects")


def no_connection_is_left_for_the_role(url: str) -> None:
    role = f"few_{uuid4().hex}"
    with connected(url, isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 0")
    try:
        with connected(make_url(url).set(username=role, password="few").render_as_string(hide_password=False)):
            pass
    finally:
        with connected(url, isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"DROP ROLE {role}")


def no_connection_of_the_pool_becomes_free(url: str) -> None:
    with connected(url, pool_size=1, max_overflow=0, pool_timeout=0.01) as connection, connection.engine.connect():
        pass


def the_pool_finds_only_dead_connections(url: str) -> None:
    engine = create_engine(driver_url(url))

    @event.listens_for(engine, "checkout")
    def refuse(*_: object) -> None:
        raise exc.DisconnectionError("the server has hung up")

    with engine.connect():
        pass


def a_lock_is_held(url: str) -> None:
    with connected(url) as holder:
        holder.exec_driver_sql("LOCK TABLE gristmill.demo_effects")
        executes("LOCK TABLE gristmill.demo_effects", "SET lock_timeout = '10ms'")(url)


AWAY: dict[str, Fails] = {
    "nobody listens": nobody_listens,
    "admin shutdown": the_backend_is_terminated,
    "admin shutdown, told to the driver": the_server_hangs_up_on_the_driver,
    "closed connection": the_connection_is_closed_by_the_driver,
    "closed connection of the driver": a_closed_connection_of_the_driver_is_used,
    "too many connections": no_connection_is_left_for_the_role,
    "pool timeout": no_connection_of_the_pool_becomes_free,
    "the pool gave up": the_pool_finds_only_dead_connections,
    "read-only after a failover": executes("CREATE TABLE it_cannot ()", "SET TRANSACTION READ ONLY"),
    **{
        name: server_says(sqlstate)
        for name, sqlstate in {
            "connection failure": "08006",
            "disk full": "53100",
            "out of memory": "53200",
            "too many connections, in a transaction": "53300",
            "crash shutdown": "57P02",
            "cannot connect now": "57P03",
            "I/O error": "58030",
        }.items()
    },
}
REFUSED: dict[str, Fails] = {
    "statement timeout": executes("SELECT pg_sleep(60)", "SET statement_timeout = '10ms'"),
    "lock timeout": a_lock_is_held,
    "lock timeout, told to the driver": the_driver_waits_for_a_lock,
    "deadlock": server_says("40P01"),
    "serialization failure": server_says("40001"),
    "unique violation": executes("INSERT INTO mine VALUES (1), (1)", "CREATE TEMPORARY TABLE mine (id int UNIQUE)"),
    "unknown table": executes("SELECT * FROM no_such_table"),
    "wrong data": executes("SELECT 'x'::int"),
    "a value that the driver cannot adapt": executes("SELECT %s", value=object()),
    "internal error": server_says("XX000"),
}


def error_of(fail: Fails, url: str) -> Exception:
    with pytest.raises(DATABASE_ERRORS) as caught:
        fail(url)
    return caught.value


@pytest.mark.parametrize("fail", AWAY.values(), ids=AWAY.keys())
def test_a_database_that_is_away_is_known_by_its_error(fail: Fails, database_url: str) -> None:
    error = error_of(fail, database_url)
    assert is_away(error), repr(error)


@pytest.mark.parametrize("fail", REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_is_not_taken_for_an_outage(fail: Fails, database_url: str) -> None:
    error = error_of(fail, database_url)
    assert not is_away(error), repr(error)


@pytest.mark.parametrize(
    "error", [ValueError("no"), ConnectionError("of something else"), exc.InvalidRequestError("no")]
)
def test_an_error_of_something_else_is_not_an_outage(error: Exception) -> None:
    assert not is_away(error)


def test_a_move_whose_lock_is_held_is_tried_until_the_lock_is_free(database: Database) -> None:
    tries: list[int] = []

    def lock() -> int:
        tries.append(len(tries))
        with database.transaction() as session, database.transaction() as holder:
            if len(tries) == 1:
                holder.execute(text("LOCK TABLE gristmill.demo_effects"))
            session.execute(text("SET LOCAL lock_timeout = '10ms'"))
            session.execute(text("LOCK TABLE gristmill.demo_effects"))
        return len(tries)

    assert patiently(lock, patience=60) == 2
