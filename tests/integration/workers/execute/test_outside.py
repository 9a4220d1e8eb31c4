"""Jobs that talk to the world: no transaction while they wait, a lease that is renewed, a fence for what they write."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import FenceLostError
from gristmill.shared.jobs import moves
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.shared.states import State
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.repair.reconciler import take_over_lost
from tests.eventually import eventually
from tests.factories import (
    FAILURE,
    attempts,
    begin,
    change,
    effects,
    find,
    have_effect,
    letters,
    post,
    reached,
    state,
)

Declare = Callable[..., Any]

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database whose leases are short, for a heartbeat that a test can wait for."""
    with reached(database_url, lease=0.3) as database:
        yield database


def test_a_handler_that_returns_ends_its_job_and_each_of_its_transactions_is_its_own(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> dict[str, int]:
        have_effect(ctx, "k")
        return {"seen": effects(database, "k")}

    job = post(database, declare(handler, effects="outside"))
    assert executor.execute([job]) is False
    found = find(database, job)
    assert (found.state, found.result, found.lease_until) == (State.SUCCEEDED, {"seen": 1}, None)


def test_no_transaction_is_open_while_a_handler_waits_for_the_world(
    database: Database, executor: Executor, declare: Declare
) -> None:
    idle = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    )

    def handler(ctx: Context) -> int:
        have_effect(ctx, "k")
        with database.transaction() as session:
            return int(session.execute(idle).scalar_one())

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    assert find(database, job).result == 0


def test_a_handler_that_asks_for_the_jobs_own_session_is_told_what_to_do(
    database: Database, executor: Executor, declare: Declare
) -> None:
    job = post(database, declare(lambda ctx: ctx.session, effects="outside"))
    executor.execute([job])
    assert "ctx.transaction()" in (attempts(database, job)[0].error_message or "")


def test_the_heartbeat_renews_the_lease_as_long_as_the_handler_runs(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        first = find(database, ctx.job_id).lease_until
        assert first is not None
        eventually(lambda: (find(database, ctx.job_id).lease_until or first) > first)

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    assert state(database, job) == State.SUCCEEDED


def test_a_handler_that_raises_keeps_what_it_had_committed_and_tries_again(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "ledger")
        if ctx.attempt == 1:
            raise TimeoutError

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    assert (state(database, job), effects(database, "ledger")) == (State.RETRYING, 1)
    executor.execute([job])
    assert state(database, job) == State.SUCCEEDED


def test_a_transaction_of_an_attempt_that_was_overtaken_does_not_open(
    database: Database, executor: Executor, declare: Declare
) -> None:
    seen = []

    def handler(ctx: Context) -> None:
        with database.transaction() as other:
            assert moves.retry(other, ctx.job_id, ctx.attempt, delay=timedelta(0), failure=FAILURE)
        eventually(lambda: ctx.cancelled)  # the heartbeat has noticed
        try:
            have_effect(ctx, "k")
        except FenceLostError:
            seen.append("fenced")
            raise

    job = post(database, declare(handler, effects="outside"))
    assert executor.execute([job]) is False
    assert (seen, effects(database, "k")) == (["fenced"], 0)
    found = find(database, job)
    assert (found.state, found.attempt) == (State.RETRYING, 1)
    assert [attempt.error_code for attempt in attempts(database, job)] == [FAILURE.code]


def test_an_attempt_that_was_overtaken_does_not_end_the_newer_one(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> str:
        with database.transaction() as other:
            moves.retry(other, ctx.job_id, ctx.attempt, delay=timedelta(0), failure=FAILURE)
        assert begin(database, ctx.job_id)
        return "too late"

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    found = find(database, job)
    assert (found.state, found.attempt, found.result) == (State.RUNNING, 2, None)


def test_a_handler_hears_of_a_request_to_cancel_by_its_heartbeat(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> Cancel:
        assert not ctx.cancelled
        change(database, "UPDATE gristmill.jobs SET cancel_requested_at = clock_timestamp()")
        eventually(lambda: ctx.cancelled)
        return Cancel("heard of it")

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    assert state(database, job) == State.CANCELLED


@pytest.mark.parametrize(
    ("outcome", "end"), [(Discard("gone"), State.DEAD), (Snooze(timedelta(hours=1)), State.SCHEDULED)]
)
def test_an_outcome_ends_an_outside_job_too(
    database: Database, executor: Executor, declare: Declare, outcome: Any, end: State
) -> None:
    def handler(ctx: Context) -> Any:
        have_effect(ctx, "ledger")
        return outcome

    job = post(database, declare(handler, effects="outside"))
    assert executor.execute([job]) is (end is State.DEAD)
    assert (state(database, job), effects(database, "ledger")) == (end, 1)
    assert len(letters(database, job)) == (end is State.DEAD)


def test_an_outside_handler_beyond_its_time_limit_fails_its_attempt(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        while True:
            pass

    job = post(database, declare(handler, effects="outside", time_limit=timedelta(seconds=1)))
    executor.execute([job])
    assert attempts(database, job)[0].error_code == "TASK_TIME_LIMIT_001"


@pytest.mark.parametrize("ending", ["fails", "snoozes", "cancels", "discards"])
def test_an_attempt_that_was_taken_over_meanwhile_moves_nothing_however_it_ends(
    database: Database, executor: Executor, declare: Declare, ending: str
) -> None:
    outcomes = {"snoozes": Snooze(timedelta(0)), "cancels": Cancel("unwanted"), "discards": Discard("unwanted")}

    def handler(ctx: Context) -> Any:
        change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
        assert take_over_lost(database) == 1
        if ending == "fails":
            raise ConnectionError
        return outcomes[ending]

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    assert state(database, job) == State.RETRYING
    assert [each.outcome for each in attempts(database, job)] == ["lost"]
    assert not letters(database, job)
