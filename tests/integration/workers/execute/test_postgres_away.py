"""A worker whose Postgres is away: it waits in its place for a while, then gives its hint back; nothing is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery.exceptions import Reject

from gristmill.services.postgres import Postgres
from gristmill.shared.base import outages
from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import TransientError
from gristmill.shared.states import State
from gristmill.workers.celery.stop_flag import StopFlag
from gristmill.workers.celery.worker import Child
from gristmill.workers.celery.worker_report import AttemptCounter
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.repair.reconciler import take_over_lost
from tests import platform_tasks as tasks
from tests.factories import attempts, change, effects, find, letters, post, post_many, state, states

Declare = Callable[..., Any]
DATA = "data_processing_queue"

pytestmark = pytest.mark.timeout(300, method="thread")


@contextmanager
def back_soon(server: Postgres) -> Iterator[None]:
    """Stop Postgres, and have it started again while the block runs."""
    server.stop()  # in order: the test server keeps no promise about its last commits in a crash
    starter = threading.Timer(0.5, server.start, args=(120,))
    starter.start()
    try:
        yield
    finally:
        starter.join(150)


def make_due(database: Database) -> None:
    change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp()")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Change for how many seconds a worker waits."""
    defaults = outages.patiently.__kwdefaults__
    assert defaults is not None

    def be(seconds: float) -> None:
        monkeypatch.setitem(defaults, "patience", seconds)

    return be


def test_a_hint_that_comes_while_postgres_restarts_costs_nothing(
    database: Database, executor: Executor, postgres_server: Postgres, patience: Callable[[float], None]
) -> None:
    patience(120)
    jobs = post_many(database, 3, tasks.effect, key="k")
    with back_soon(postgres_server):
        executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED] * 3
    assert [find(database, job).attempt for job in jobs] == [1] * 3
    assert effects(database, "k") == 3


@pytest.mark.parametrize("ending", ["succeeds", "fails"])
def test_what_an_outside_job_has_done_is_written_down_when_postgres_is_back(
    database: Database,
    executor: Executor,
    postgres_server: Postgres,
    declare: Declare,
    patience: Callable[[float], None],
    ending: str,
) -> None:
    patience(120)
    starter: list[threading.Timer] = []

    def handler(_: Context) -> str:
        postgres_server.stop()
        starter.append(threading.Timer(0.5, postgres_server.start, args=(120,)))
        starter[0].start()
        if ending == "fails":
            raise TransientError(ending)
        return "done"

    job = post(database, declare(handler, effects="outside"))
    executor.execute([job])
    starter[0].join(150)
    database.dispose()  # what this test looks at is not what it tests
    found = find(database, job)
    expected = (State.SUCCEEDED, "done", 0) if ending == "succeeds" else (State.RETRYING, None, 1)
    assert (found.state, found.result, len(attempts(database, job))) == expected
    assert found.attempt == 1


def test_a_restart_in_the_middle_of_a_transaction_costs_one_attempt(
    database: Database,
    executor: Executor,
    postgres_server: Postgres,
    declare: Declare,
    patience: Callable[[float], None],
) -> None:
    patience(120)

    def handler(ctx: Context) -> None:
        tasks.effect(ctx, key="k")
        if ctx.attempt == 1:
            postgres_server.stop()
            postgres_server.start(120)

    job = post(database, declare(handler))
    executor.execute([job])
    database.dispose()
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    make_due(database)
    executor.execute([job])
    found = find(database, job)
    assert (found.state, found.attempt, effects(database, "k")) == (State.SUCCEEDED, 2, 1)


def test_a_claim_that_the_server_forgot_in_its_crash_lets_no_outside_job_run_twice_under_one_number(
    database: Database,
    executor: Executor,
    postgres_server: Postgres,
    declare: Declare,
    patience: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Claims are committed without waiting for the disk; what leaves for the world must wait."""
    patience(120)
    calls: list[int] = []

    def crash(point: str) -> None:
        if point == "executor.after_claim":
            postgres_server.kill()
            postgres_server.start(120)

    job = post(database, declare(lambda ctx: calls.append(ctx.attempt), effects="outside"))
    with monkeypatch.context() as crashing:
        crashing.setattr("gristmill.workers.execute.attempt.crash_point", crash)
        executor.execute([job])
    database.dispose()
    executor.execute([job])
    assert (state(database, job), calls) == (State.SUCCEEDED, [1])


@pytest.mark.parametrize("when", ["before the claim", "after the handler"])
def test_an_outage_that_outlasts_the_patience_gives_the_hint_back_and_kills_nothing(
    database: Database, postgres_server: Postgres, declare: Declare, patience: Callable[[float], None], when: str
) -> None:
    patience(0.2)

    def handler(ctx: Context) -> str:
        if ctx.attempt == 1 and when == "after the handler":
            postgres_server.stop()
        return "done"

    task = declare(handler, effects="outside")
    job = post(database, task)
    child = Child(database.settings, DATA, AttemptCounter(1), StopFlag())
    child.start()
    if when == "before the claim":
        postgres_server.stop()
    with pytest.raises(Reject) as given_back:
        child.run(task, [str(job)])
    assert vars(given_back.value)["requeue"]
    postgres_server.start(120)
    database.dispose()
    if when == "after the handler":  # nobody heard of its end: it is lost, and tried again
        change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
        assert take_over_lost(database) == 1
        assert [attempt.outcome for attempt in attempts(database, job)] == ["lost"]
    make_due(database)
    child.run(task, [str(job)])
    child.stop()
    assert (find(database, job).result, letters(database, job)) == ("done", [])
