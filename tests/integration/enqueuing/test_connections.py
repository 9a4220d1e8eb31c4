"""Connections on which nothing can be enqueued, with the error that says what to do instead."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from gristmill import Context, JobOptions, enqueue
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import EnqueueError, UnavailableError
from tests.factories import declared, own_database
from tests.integration.enqueuing.adapters import django_connection, require
from tests.integration.enqueuing.application import Application


def refusal(connection: Any) -> str:
    with pytest.raises(EnqueueError) as caught:
        enqueue(connection, "demo.echo", message="x")
    return str(caught.value)


def test_outside_of_a_transaction_of_sqlalchemy_it_is_refused(application: Application) -> None:
    engine = create_engine(application.url.replace("postgresql", "postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, Session(engine) as session:
        assert "isolation_level='AUTOCOMMIT'" in refusal(connection)
        assert "isolation_level='AUTOCOMMIT'" in refusal(session)
    engine.dispose()
    assert application.jobs() == []


def test_outside_of_a_transaction_of_django_it_is_refused(application: Application) -> None:
    require("Django")
    with django_connection(application.url) as connection:
        assert "with transaction.atomic():" in refusal(connection)
    assert application.jobs() == []


def test_outside_of_a_transaction_of_psycopg2_it_is_refused(application: Application) -> None:
    with closing(application.connect()) as connection:
        connection.autocommit = True
        assert "autocommit" in refusal(connection)
        assert "autocommit" in refusal(connection.cursor())
        connection.cursor().execute("BEGIN")
        enqueue(connection, "demo.echo", message="in a transaction that was begun by hand")
        connection.cursor().execute("COMMIT")
    assert len(application.jobs()) == 1


def test_outside_of_a_transaction_of_psycopg_it_is_refused(application: Application) -> None:
    require("psycopg")
    import psycopg

    with psycopg.connect(application.url, autocommit=True) as connection:
        assert "autocommit" in refusal(connection)
        with connection.transaction():
            enqueue(connection, "demo.echo", message="x")
    assert len(application.jobs()) == 1


def test_what_is_to_be_awaited_is_refused_with_what_to_write(application: Application) -> None:
    require("psycopg")
    import psycopg

    async def refusals() -> list[str]:
        engine = create_async_engine(application.url.replace("postgresql", "postgresql+psycopg_async"))
        async with (
            AsyncSession(engine) as session,
            engine.connect() as connection,
            await psycopg.AsyncConnection.connect(application.url) as own,
        ):
            answers = [refusal(each) for each in (session, connection, own)]
        await engine.dispose()
        return answers

    in_session, on_connection, on_driver = asyncio.run(refusals())
    assert "await session.run_sync(lambda session: enqueue(session" in in_session
    assert "run_sync" in on_connection
    assert "SELECT gristmill.enqueue(%s, %s)" in on_driver


def test_another_database_is_sent_to_the_client_with_its_spool() -> None:
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        assert "a connection to sqlite" in refusal(session)
        assert "gristmill.Client" in refusal(session)
    engine.dispose()


def test_a_connection_of_an_unknown_kind_is_told_the_known_ones() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert "sqlite3.Connection" in refusal(connection)
        assert "SELECT gristmill.enqueue" in refusal(connection)


@pytest.fixture
def empty_url(postgres_server: Postgres) -> Iterator[str]:
    """A database in which the platform has never been."""
    with own_database(postgres_server, "template1") as url:
        yield url


def test_a_database_without_the_platform_says_which_command_to_run(empty_url: str) -> None:
    with closing(psycopg2.connect(empty_url)) as connection:
        assert "run `gristmill db upgrade`" in refusal(connection)


def test_a_database_of_an_older_version_says_which_command_to_run(application: Application) -> None:
    with closing(psycopg2.connect(application.owner_url)) as owner, owner:
        owner.cursor().execute("ALTER FUNCTION gristmill.enqueue RENAME TO enqueue_of_another_version")
    with closing(application.connect()) as connection:
        assert "older version of Gristmill: run `gristmill db upgrade`" in refusal(connection)


def test_a_role_without_the_grants_is_told_them(application: Application) -> None:
    with closing(psycopg2.connect(application.owner_url)) as owner, owner:
        owner.cursor().execute(f"REVOKE EXECUTE ON FUNCTION gristmill.enqueue FROM {application.role}")
    with closing(application.connect()) as connection:
        assert "GRANT EXECUTE ON FUNCTION gristmill.enqueue TO" in refusal(connection)


def test_a_unique_key_that_another_transaction_holds_is_told_as_that(application: Application) -> None:
    options = JobOptions(unique_key="k")
    with closing(application.connect()) as holder, closing(application.connect()) as waiter:
        enqueue(holder, "demo.echo", options, message="x")
        waiter.cursor().execute("SET lock_timeout = '50ms'")
        with pytest.raises(UnavailableError, match="same unique key"):
            enqueue(waiter, "demo.echo", options, message="x")


def test_a_session_of_the_platform_needs_no_declared_task(database: Database) -> None:
    def inner(ctx: Context, *, key: str) -> None:
        """Do a part of the work."""

    with declared(inner, internal=True) as part, database.transaction() as session:
        session.execute(text("DELETE FROM gristmill.tasks"))
        first = enqueue(session, "demo.echo", message="x")
        assert enqueue(session, part, key="x") != first


def test_a_task_that_this_process_does_not_declare_is_checked_by_the_database(application: Application) -> None:
    with closing(psycopg2.connect(application.owner_url)) as owner, owner:
        owner.cursor().execute(
            "INSERT INTO gristmill.tasks (name, queue, priority_queue, max_attempts, internal, arguments) VALUES "
            "('theirs.run', 'user_queue', 'priority_queue', 3, false, '{\"n\": {\"types\": [\"integer\"]}}')"
        )
    with closing(application.connect()) as connection, connection:
        enqueue(connection, "theirs.run", n=7)
    assert application.jobs() == [("theirs.run", {"n": 7})]
