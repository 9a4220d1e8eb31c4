"""An attempt that lost its connection, its COMMIT's answer or its place: the job goes on, its effects happen once."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import leases, moves
from gristmill.shared.states import State
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.factories import AT_ONCE, FAILURE, attempts, effects, find, have_effect, letters, post, state, terminate

Declare = Callable[..., Any]

pytestmark = pytest.mark.timeout(300, method="thread")


def backend_of(session: Session) -> int:
    return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


@pytest.mark.parametrize("statement_follows", [True, False], ids=["in the handler", "between handler and completion"])
def test_a_connection_that_is_cut_costs_an_attempt_and_no_more(
    database: Database, database_url: str, executor: Executor, declare: Declare, statement_follows: bool
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        if ctx.attempt == 1:
            terminate(database_url, backend_of(ctx.session))
            if statement_follows:
                ctx.session.execute(text("SELECT 1"))

    job = post(database, declare(handler))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    assert [attempt.error_type for attempt in attempts(database, job)] == ["OperationalError"]
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.SUCCEEDED, 1)


def test_a_connection_that_is_cut_before_the_commit_costs_an_attempt_and_no_more(
    database: Database, database_url: str, executor: Executor
) -> None:
    job = post(database, tasks.effect, key="k")

    def cut(connection: Any) -> None:
        event.remove(database.engine, "commit", cut)
        terminate(database_url, connection.connection.dbapi_connection.info.backend_pid)

    event.listen(database.engine, "commit", cut)
    executor.execute([job])
    found = find(database, job)
    assert (found.state, found.attempt, effects(database, "k")) == (State.RETRYING, 1, 0)


def test_a_commit_whose_answer_was_lost_is_found_out_and_not_repeated(
    database: Database, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = post(database, tasks.effect, key="k")
    commit = database.engine.dialect.do_commit

    def lose_the_answer(connection: Any) -> None:
        commit(connection)
        monkeypatch.undo()
        connection.close()
        message = "server closed the connection unexpectedly"
        raise psycopg2.OperationalError(message)

    monkeypatch.setattr(database.engine.dialect, "do_commit", lose_the_answer)
    assert executor.execute([job]) is False
    assert (state(database, job), effects(database, "k")) == (State.SUCCEEDED, 1)
    assert not attempts(database, job)
    assert not letters(database, job)


def test_a_dead_connection_in_the_pool_is_not_noticed_by_the_job(
    database: Database, database_url: str, executor: Executor
) -> None:
    job = post(database, tasks.effect, key="k")
    with database.engine.connect() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    terminate(database_url, backend)
    executor.execute([job])
    found = find(database, job)
    assert (found.state, found.attempt, effects(database, "k")) == (State.SUCCEEDED, 1, 1)


def test_an_attempt_that_was_overtaken_is_rolled_back_and_the_newer_one_is_left_alone(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        with database.transaction() as other:  # as a take-over that took the lock for free, and the claim after it
            assert moves.retry(other, ctx.job_id, ctx.attempt, delay=AT_ONCE.first_delay, failure=FAILURE)
        with database.transaction() as other:
            assert moves.claim(other, [ctx.job_id], worker="newer@there", lease=60)

    job = post(database, declare(handler))
    assert executor.execute([job]) is False
    found = find(database, job)
    assert (found.state, found.attempt, found.worker) == (State.RUNNING, 2, "newer@there")
    assert effects(database, "k") == 0
    assert [attempt.attempt for attempt in attempts(database, job)] == [1]


def test_an_attempt_whose_lock_somebody_holds_does_not_run(
    database: Database, executor: Executor, declare: Declare
) -> None:
    calls = []
    job = post(database, declare(lambda ctx: calls.append(ctx.attempt)))
    with database.transaction() as other:
        assert leases.try_lock(other, [job]) == {job}
        executor.execute([job])
    assert (calls, state(database, job)) == ([], State.RUNNING)


def test_the_lock_of_a_job_is_held_while_its_handler_runs_and_free_afterwards(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> bool:
        with database.transaction() as other:
            return bool(leases.try_lock(other, [ctx.job_id]))

    job = post(database, declare(handler))
    executor.execute([job])
    assert find(database, job).result is False
    with database.transaction() as other:
        assert leases.try_lock(other, [job]) == {job}
