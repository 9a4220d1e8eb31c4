"""A hint of several portions: each runs by itself, and what one turn does not suffice for goes back to the broker."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import Reject

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import PermanentError
from gristmill.shared.states import State
from gristmill.shared.task import Task
from gristmill.workers.celery.stop_flag import StopFlag
from gristmill.workers.celery.worker import Child
from gristmill.workers.celery.worker_report import AttemptCounter
from tests.factories import effects, find, have_effect, post, states

Declare = Callable[..., Any]

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def child(database: Database, stop_flag: StopFlag) -> Iterator[Child]:
    child = Child(database.settings, "data_processing_queue", AttemptCounter(1), stop_flag)
    yield child
    child.stop()


def run(child: Child, task: Task, jobs: list[UUID]) -> bool:
    """Run a hint. Returns whether it goes on in another turn."""
    try:
        child.run(task, [str(job) for job in jobs])
    except Reject as rejected:
        return bool(vars(rejected)["requeue"])
    return False


def post_numbers(database: Database, task: Task, count: int) -> list[UUID]:
    return [post(database, task, number=number) for number in range(count)]


def test_a_job_is_claimed_when_those_of_the_portion_before_have_ended(
    database: Database, child: Child, declare: Declare
) -> None:
    seen: list[list[str]] = []

    def handler(_: Context, *, number: int) -> None:
        seen.append(states(database, *jobs))

    task = declare(handler)
    jobs = post_numbers(database, task, 3)
    assert not run(child, task, jobs)
    ran, done, waits = State.RUNNING, State.SUCCEEDED, State.QUEUED
    assert seen == [[ran, waits, waits], [done, ran, waits], [done, done, ran]]


def test_a_portion_is_as_many_jobs_as_the_task_has_in_a_bundle(
    database: Database, child: Child, declare: Declare
) -> None:
    seen: list[int] = []

    def handler(_: Context, *, number: int) -> None:
        seen.append(states(database, *jobs).count(State.RUNNING))

    task = declare(handler, bundle=2)
    jobs = post_numbers(database, task, 5)
    assert not run(child, task, jobs)
    assert seen == [2, 2, 2, 2, 1]


def test_what_a_turn_does_not_suffice_for_goes_back_unclaimed_and_what_is_done_runs_once(
    database: Database, child: Child, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.workers.hint_size.TURN", -1.0)  # over before it began

    def handler(ctx: Context, *, number: int) -> None:
        have_effect(ctx, "k")

    task = declare(handler)
    jobs = post_numbers(database, task, 3)
    assert run(child, task, jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.QUEUED, State.QUEUED]
    monkeypatch.undo()
    assert not run(child, task, jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert [find(database, job).attempt for job in jobs] == [1, 1, 1]
    assert effects(database, "k") == 3


def test_a_worker_that_is_told_to_stop_begins_no_other_portion(
    database: Database, child: Child, declare: Declare, stop_flag: StopFlag
) -> None:
    def handler(_: Context, *, number: int) -> None:
        stop_flag.set()

    task = declare(handler)
    jobs = post_numbers(database, task, 3)
    assert run(child, task, jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.QUEUED, State.QUEUED]
    assert [find(database, job).attempt for job in jobs] == [1, 0, 0]


def test_a_job_that_fails_or_dies_stops_no_other_one(database: Database, child: Child, declare: Declare) -> None:
    def handler(_: Context, *, number: int) -> None:
        if number == 0:
            raise PermanentError("it never works")
        if number == 1:
            raise ConnectionError

    task = declare(handler)
    jobs = post_numbers(database, task, 3)
    assert not run(child, task, jobs)
    assert states(database, *jobs) == [State.DEAD, State.RETRYING, State.SUCCEEDED]
