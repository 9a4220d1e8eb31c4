"""A statement that the driver executes directly behaves as in `Session.execute`."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, InvalidRequestError, OperationalError
from uuid_utils.compat import uuid7

from bench.growth.explaining import explained
from gristmill.shared.database.connect import Database
from gristmill.shared.database.direct import Direct
from gristmill.workers.execute.time_limit import TimeLimitExceededError
from tests.factories import terminate

ANSWER = Direct(text("SELECT CAST(:number AS int) % 7, '10%', CAST(:json AS jsonb), CAST(:ids AS uuid[])"))
DIVIDE = Direct(text("SELECT 1 / CAST(:by AS int)"))
ADD = Direct(
    text("INSERT INTO gristmill.demo_effects (key, job_id, attempt) VALUES (:key, gen_random_uuid(), 1) RETURNING key")
)


def effects(database: Database) -> int:
    with database.transaction() as session:
        return int(session.execute(text("SELECT count(*) FROM gristmill.demo_effects")).scalar_one())


def test_it_returns_the_rows_with_the_types_that_sessions_know(database: Database) -> None:
    ids = [uuid7(), uuid7()]
    with database.transaction() as session:
        assert ANSWER.rows(session, {"number": 9, "json": '{"a": [1]}', "ids": ids}) == [(2, "10%", {"a": [1]}, ids)]


def test_it_takes_part_in_the_transaction_of_its_session(database: Database) -> None:
    with database.transaction() as session:
        ADD.rows(session, {"key": "rolled back"})
        session.rollback()
    assert effects(database) == 0
    with database.transaction() as session:
        ADD.rows(session, {"key": "committed"})
    assert effects(database) == 1


def test_in_a_session_that_commits_each_statement_it_is_committed_when_it_returns(database: Database) -> None:
    with database.autocommit() as session:
        ADD.rows(session, {"key": "k"})
        assert effects(database) == 1


def test_an_error_of_the_database_is_the_one_of_sqlalchemy_and_shows_no_values(database: Database) -> None:
    with pytest.raises(DataError, match="division by zero") as caught, database.transaction() as session:
        DIVIDE.rows(session, {"by": 0})
    assert not caught.value.connection_invalidated
    with pytest.raises(IntegrityError) as caught_too, database.transaction() as session:
        ADD.rows(session, {"key": None})
    assert "parameters hidden" in str(caught_too.value)


def test_another_error_that_strikes_meanwhile_passes_as_it_is(database: Database) -> None:
    class Struck:
        def __conform__(self, protocol: object) -> None:
            raise TimeLimitExceededError("now")

    with pytest.raises(TimeLimitExceededError), database.transaction() as session:
        ADD.rows(session, {"key": Struck()})


def test_a_connection_that_is_cut_is_told_as_such_and_replaced(database: Database, database_url: str) -> None:
    one = Database(database.settings, pool_size=1, pre_ping=False)
    with one.session() as session:
        terminate(database_url, session.execute(text("SELECT pg_backend_pid()")).scalar_one())
        with pytest.raises(OperationalError) as caught:
            DIVIDE.rows(session, {"by": 1})
    assert caught.value.connection_invalidated
    with one.transaction() as session:
        assert DIVIDE.rows(session, {"by": 1}) == [(1,)]
    assert one.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of QueuePool
    one.dispose()


def test_in_a_transaction_whose_connection_was_cut_it_is_refused(database: Database) -> None:
    with database.engine.connect() as connection, database.session(connection) as session:
        ADD.rows(session, {"key": "gone"})
        connection.invalidate()
        with pytest.raises(InvalidRequestError):
            ADD.rows(session, {"key": "lost"})
    assert effects(database) == 0


def test_after_the_transaction_of_its_connection_was_rolled_back_it_leaves_nothing(database: Database) -> None:
    with database.engine.connect() as connection, database.session(connection) as session:
        ADD.rows(session, {"key": "rolled back"})
        connection.rollback()
        ADD.rows(session, {"key": "too late"})
    assert effects(database) == 0


def test_who_listens_to_the_connection_hears_of_it(database: Database) -> None:
    with database.transaction() as session, explained(session) as plans:
        DIVIDE.rows(session, {"by": 1})
    assert [plan.statement for plan in plans] == ["SELECT 1 / CAST(%(by)s AS int)"]
