"""While a job runs: its lease is renewed, and whoever cancels it is heard, in the end by force."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import pytest

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import TransientError
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.outcomes import Cancel, Snooze
from gristmill.shared.states import State
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.repair.reconciler import take_over_lost
from tests.eventually import eventually
from tests.factories import attempts, begin, effects, find, have_effect, letters, post, reached, state, states

Declare = Callable[..., Any]
LEASE = 0.6
GRACE = 0.5  # only of children: past it, a test that stalls would be killed with all its session

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database whose leases are short."""
    with reached(database_url, lease=LEASE) as database:
        yield database


def cancel(database: Database, job: UUID) -> None:
    with database.transaction() as session:
        cancel_job(session, job, actor="test")


def run_in_a_process(database_url: str, *jobs: UUID) -> int:
    """Execute a hint of `jobs` in a process of its own, as a worker's child does; return its exit code."""
    child = get_context("fork").Process(target=_execute, args=(database_url, jobs))
    child.start()
    child.join(120)
    assert child.exitcode is not None
    return child.exitcode


def _execute(database_url: str, jobs: tuple[UUID, ...]) -> None:
    with reached(database_url, lease=LEASE, cancel_grace=GRACE) as database:
        Executor(database, worker="child@here", queue="data_processing_queue").execute(list(jobs))


def test_the_lease_of_a_long_transaction_is_renewed_while_its_handler_runs(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        first = find(database, ctx.job_id).lease_until
        assert first is not None
        eventually(lambda: (find(database, ctx.job_id).lease_until or first) > first + timedelta(seconds=LEASE))
        assert take_over_lost(database) == 0

    job = post(database, declare(handler))
    executor.execute([job])
    assert (find(database, job).state, find(database, job).attempt, effects(database, "k")) == ("succeeded", 1, 1)


def test_all_leases_of_a_bundle_are_renewed(database: Database, executor: Executor, declare: Declare) -> None:
    def handler(_: Context, *, other: str) -> None:
        first = find(database, UUID(other)).lease_until
        assert first is not None
        eventually(lambda: (find(database, UUID(other)).lease_until or first) > first)

    task = declare(handler, bundle=5)
    placeholder = post(database, declare(lambda _: None))
    jobs = [post(database, task, other=str(placeholder)) for _ in range(2)]
    with database.transaction() as session:
        for mine, other in zip(jobs, reversed(jobs), strict=True):
            session.get_one(type(find(database, mine)), mine).args = {"other": str(other)}
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED] * 2


@pytest.mark.parametrize("effects_are", ["database", "outside"])
def test_a_running_job_that_is_cancelled_is_told_and_ends_cancelled(
    database: Database, executor: Executor, declare: Declare, effects_are: str
) -> None:
    def handler(ctx: Context) -> Cancel:
        assert not ctx.cancelled
        cancel(database, ctx.job_id)
        eventually(lambda: ctx.cancelled)
        return Cancel("heard of it")

    job = post(database, declare(handler, effects=effects_are))
    executor.execute([job])
    assert state(database, job) == State.CANCELLED
    assert [attempt.outcome for attempt in attempts(database, job)] == ["cancelled"]
    assert letters(database, job) == []


@pytest.mark.parametrize("effects_are", ["database", "outside"])
@pytest.mark.parametrize("ending", ["fails", "snoozes"])
def test_a_job_that_was_cancelled_while_it_ran_is_not_put_back_to_wait(
    database: Database, executor: Executor, declare: Declare, effects_are: str, ending: str
) -> None:
    def handler(ctx: Context) -> Snooze:
        cancel(database, ctx.job_id)
        if ending == "fails":
            raise TransientError(ending)
        return Snooze(timedelta(hours=1))

    job = post(database, declare(handler, effects=effects_are))
    executor.execute([job])
    assert state(database, job) == State.CANCELLED
    assert [attempt.outcome for attempt in attempts(database, job)] == ["cancelled"]


def test_a_neighbour_in_the_bundle_is_not_cancelled_with_it(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context, *, snoozes: bool) -> Snooze | None:
        have_effect(ctx, "snoozed" if snoozes else "k")
        if not snoozes:
            return None
        cancel(database, ctx.job_id)
        return Snooze(timedelta(hours=1))

    task = declare(handler, bundle=5)
    jobs = [post(database, task, snoozes=snoozes) for snoozes in (False, True, False)]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.CANCELLED, State.SUCCEEDED]
    assert effects(database, "k") == 2


def test_an_attempt_that_commits_before_it_hears_of_it_has_succeeded(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        cancel(database, ctx.job_id)

    job = post(database, declare(handler))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.SUCCEEDED, 1)


@pytest.mark.parametrize("effects_are", ["database", "outside"])
def test_past_the_grace_its_process_is_killed_and_the_job_ends_cancelled_with_no_half_effect(
    database: Database, database_url: str, declare: Declare, effects_are: str
) -> None:
    def handler(ctx: Context) -> None:
        if effects_are == "database":
            have_effect(ctx, "half")
        cancel(database_of_child(ctx), ctx.job_id)
        threading.Event().wait(40)  # deaf

    job = post(database, declare(handler, effects=effects_are, time_limit=timedelta(seconds=50)))
    assert run_in_a_process(database_url, job) == -signal.SIGKILL
    assert state(database, job) == State.RUNNING
    eventually(lambda: take_over_lost(database) == 1)
    assert (state(database, job), effects(database, "half")) == (State.CANCELLED, 0)
    assert letters(database, job) == []


def database_of_child(ctx: Context) -> Database:
    """A way to Postgres of the child's own; the test's must not be used after a fork."""
    return Database(ctx.settings, application_name="test of a child", pool_size=1)


def test_neighbours_of_a_job_that_was_ended_by_force_run_again_and_end(
    database: Database, database_url: str, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context, *, deaf: bool) -> None:
        have_effect(ctx, "deaf" if deaf else "neighbour")
        if deaf:
            cancel(database_of_child(ctx), ctx.job_id)
            threading.Event().wait(40)

    task = declare(handler, bundle=5, time_limit=timedelta(seconds=50))
    jobs = [post(database, task, deaf=deaf) for deaf in (False, True, False)]
    assert run_in_a_process(database_url, *jobs) == -signal.SIGKILL
    eventually(lambda: sum((take_over_lost(database), 0)) or "running" not in states(database, *jobs))
    assert states(database, *jobs) == [State.RETRYING, State.CANCELLED, State.RETRYING]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.CANCELLED, State.SUCCEEDED]
    assert (effects(database, "neighbour"), effects(database, "deaf")) == (2, 0)


def test_a_job_whose_worker_died_after_it_was_cancelled_ends_cancelled_when_its_lease_is_over(
    database: Database,
) -> None:
    job = post(database, "demo.effect", key="k")
    begin(database, job, lease=0.1)
    cancel(database, job)
    eventually(lambda: take_over_lost(database) == 1)
    assert (state(database, job), letters(database, job)) == (State.CANCELLED, [])


def test_the_watch_outlives_an_error_of_the_database(
    database: Database, executor: Executor, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from gristmill.shared.jobs import leases

    renew_all, calls = leases.renew_all, []

    def fail_at_first(*args: Any, **kwargs: Any) -> Any:
        calls.append(os.getpid())
        if len(calls) == 1:
            raise OperationalError("SELECT 1", {}, ConnectionError())
        return renew_all(*args, **kwargs)

    monkeypatch.setattr(leases, "renew_all", fail_at_first)
    job = post(database, declare(lambda _: bool(eventually(lambda: len(calls) > 2))))
    executor.execute([job])
    assert state(database, job) == State.SUCCEEDED
