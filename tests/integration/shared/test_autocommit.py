"""Statements that commit by themselves, and connections that are cut during one."""

from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gristmill.shared.database.connect import Database
from tests.factories import terminate


@pytest.fixture
def alone(database: Database) -> Database:
    """A database with the pool of a worker's child: one connection, and one more for a while."""
    return Database(database.settings, pool_size=1, pre_ping=False)


def test_a_statement_is_committed_when_it_returns(alone: Database, database: Database) -> None:
    with alone.autocommit() as session:
        session.execute(
            text("INSERT INTO gristmill.demo_effects (key, job_id, attempt) VALUES ('k', gen_random_uuid(), 1)")
        )
        with database.transaction() as other:
            assert other.execute(text("SELECT count(*) FROM gristmill.demo_effects")).scalar_one() == 1


def test_a_connection_that_was_used_so_begins_transactions_again(alone: Database) -> None:
    for _ in range(2):
        with alone.autocommit() as session:
            session.execute(text("SELECT 1"))
        with alone.transaction() as session:
            session.execute(
                text("INSERT INTO gristmill.demo_effects (key, job_id, attempt) VALUES ('k', gen_random_uuid(), 1)")
            )
            session.rollback()
    with alone.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM gristmill.demo_effects")).scalar_one() == 0


def test_a_connection_that_is_cut_after_the_answer_raises_nothing_and_leaves_its_place(
    alone: Database, database_url: str
) -> None:
    for _ in range(3):
        with alone.autocommit() as session:
            session.execute(text("SELECT 1"))
        with alone.autocommit() as session:  # the second time: the driver only resets what was set before
            terminate(database_url, session.execute(text("SELECT pg_backend_pid()")).scalar_one())
        with suppress(OperationalError), alone.autocommit() as session:  # if the pool has not noticed before
            session.execute(text("SELECT 1"))
    assert alone.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of QueuePool
