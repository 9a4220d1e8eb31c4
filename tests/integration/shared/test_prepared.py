"""A prepared statement returns the same as one that is planned each time, whatever happens to the connection."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from gristmill.shared.database.connect import Database
from gristmill.shared.database.prepared import Prepared
from tests.factories import reached

ADD = Prepared(
    "test_add", text("SELECT CAST(:a AS int) + CAST(:b AS int) AS total, :a AS first"), {"a": "int", "b": "int"}
)


@pytest.fixture
def alone(database_url: str) -> Iterator[Database]:
    """A database with one connection, so that the next session uses the same one."""
    with reached(database_url, database_pool_size=1) as database:
        yield database


def plans(database: Database) -> int:
    with database.transaction() as session:
        query = text("SELECT count(*) FROM pg_prepared_statements WHERE name = 'test_add'")
        return int(session.execute(query).scalar_one())


def total(database: Database, a: int, b: int) -> tuple[int, int]:
    with database.autocommit() as session:
        [(added, first)] = ADD.rows(session, {"b": b, "a": a})
        return added, first


def test_it_is_planned_once_and_takes_its_values_by_name(alone: Database) -> None:
    assert [total(alone, 1, number) for number in (1, 2, 3)] == [(2, 1), (3, 1), (4, 1)]
    assert plans(alone) == 1


def test_in_a_transaction_it_is_executed_as_it_is(alone: Database) -> None:
    with alone.transaction() as session:
        assert ADD.rows(session, {"a": 1, "b": 2}) == [(3, 1)]
    assert plans(alone) == 0


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_a_server_session_that_does_not_know_it_is_asked_as_if_there_were_no_plan(alone: Database, forget: str) -> None:
    """Simulate a pooler, which gives a client one session of the server after another."""
    assert total(alone, 1, 1) == (2, 1)
    with alone.autocommit() as session:
        session.execute(text(forget))
    assert total(alone, 2, 2) == (4, 2)


def test_one_that_is_there_already_is_no_error(alone: Database) -> None:
    with alone.autocommit() as session:
        session.execute(text("PREPARE test_add (int, int) AS SELECT 0 AS total, 0 AS first"))
    assert total(alone, 2, 3) == (5, 2)


def test_a_new_connection_plans_it_again(alone: Database) -> None:
    assert total(alone, 1, 1) == (2, 1)
    with alone.autocommit() as session:
        session.connection().invalidate()
    assert total(alone, 1, 2) == (3, 1)
    assert plans(alone) == 1
