"""A worker that is told to stop finishes the job it is at, and gives back what it has not begun."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import Reject

from gristmill.shared.context import Call, Context
from gristmill.shared.database.connect import Database
from gristmill.shared.outcomes import Discard
from gristmill.shared.states import State
from gristmill.workers.celery.stop_flag import StopFlag
from gristmill.workers.celery.worker import Child
from gristmill.workers.celery.worker_report import AttemptCounter
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.factories import attempts, change, effects, find, have_effect, hints, post, post_many, state, states

Declare = Callable[..., Any]

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def executor(database: Database, stop_flag: StopFlag) -> Executor:
    return Executor(database, worker="test@here", queue="data_processing_queue", is_stopping=stop_flag.is_set)


def outcomes(database: Database, job: UUID) -> list[tuple[int, str]]:
    return [(each.attempt, each.outcome) for each in attempts(database, job)]


def assert_given_back(database: Database, *jobs: UUID) -> None:
    for job in jobs:
        found = find(database, job)
        assert (found.state, found.attempt, found.max_attempts) == (State.QUEUED, 1, 4)
        assert outcomes(database, job) == [(1, "given_back")]
        assert hints(database, job)[-1].due_at == found.run_at


def test_the_jobs_that_are_done_are_committed_and_the_rest_go_back(
    database: Database, executor: Executor, declare: Declare, stop_flag: StopFlag
) -> None:
    def handler(ctx: Context, *, number: int) -> None:
        have_effect(ctx, "k")
        if number == 1:
            stop_flag.set()

    task = declare(handler, bundle=10)
    jobs = [post(database, task, number=number) for number in range(4)]
    executor.execute(jobs)
    assert states(database, *jobs)[:2] == [State.SUCCEEDED] * 2
    assert_given_back(database, *jobs[2:])
    assert effects(database, "k") == 2

    Executor(database, worker="next@here", queue="data_processing_queue").execute(jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert [find(database, job).attempt for job in jobs] == [1, 1, 2, 2]
    assert effects(database, "k") == 4


@pytest.mark.parametrize("first", ["fails", "is not wanted"])
def test_jobs_that_run_apart_stop_after_one_of_them(
    database: Database, executor: Executor, declare: Declare, stop_flag: StopFlag, first: str
) -> None:
    def handler(ctx: Context, *, number: int) -> Any:
        have_effect(ctx, "k")
        if number == 0:
            stop_flag.set()
            if first == "fails":
                raise ConnectionError
            return Discard("not wanted")
        return number

    task = declare(handler, bundle=10)
    jobs = [post(database, task, number=number) for number in range(3)]
    executor.execute(jobs)
    assert state(database, jobs[0]) == (State.DEAD if first == "is not wanted" else State.RETRYING)
    assert_given_back(database, *jobs[1:])
    assert effects(database, "k") == 0


def test_a_handler_for_many_has_begun_them_all_and_finishes(
    database: Database, executor: Executor, declare: Declare, stop_flag: StopFlag
) -> None:
    def many(calls: list[Call]) -> list[Any]:
        stop_flag.set()
        return [call.args["number"] for call in calls]

    task = declare(lambda _, *, number: number, many=many, bundle=10)
    jobs = [post(database, task, number=number) for number in range(3)]
    executor.execute(jobs)
    assert [find(database, job).result for job in jobs] == [0, 1, 2]


def test_what_is_claimed_and_not_begun_goes_back_whatever_its_effects(
    database: Database, executor: Executor, declare: Declare, stop_flag: StopFlag
) -> None:
    def tell(_: Context) -> None:
        stop_flag.set()

    first = post(database, declare(tell))
    others = [post(database, tasks.effect, key="k"), post(database, declare(tell, effects="outside"))]
    executor.execute([first, *others])
    assert state(database, first) == State.SUCCEEDED
    assert_given_back(database, *others)


def test_one_that_is_to_be_cancelled_is_cancelled_instead(
    database: Database, executor: Executor, declare: Declare, stop_flag: StopFlag
) -> None:
    def handler(_: Context, *, number: int) -> None:
        stop_flag.set()
        change(database, "UPDATE gristmill.jobs SET cancel_requested_at = clock_timestamp() WHERE attempt = 1")

    task = declare(handler, bundle=10)
    jobs = [post(database, task, number=number) for number in range(2)]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.CANCELLED]


def test_a_hint_that_has_not_begun_goes_back_to_the_broker_without_a_claim(
    database: Database, stop_flag: StopFlag
) -> None:
    jobs = post_many(database, 2, tasks.effect, key="k")
    stop_flag.set()
    child = Child(database.settings, "data_processing_queue", AttemptCounter(1), stop_flag)
    with pytest.raises(Reject) as rejected:
        child.run(tasks.effect, [str(job) for job in jobs])
    assert vars(rejected.value)["requeue"]
    assert {find(database, job).attempt for job in jobs} == {0}
