"""Jobs whose worker was lost: found by their lease, left alone while their lock is held, put back or buried."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import leases
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.states import State
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.repair.reconciler import BATCH, take_over_lost
from tests import platform_tasks as tasks
from tests.factories import attempts, begin, change, effects, find, hints, insert_job, letters, post, state

pytestmark = pytest.mark.timeout(300, method="thread")


def lose(database: Database, *ids: UUID) -> None:
    """Begin an attempt of each job, by a worker that is not heard of again, and let its lease be over."""
    assert len(begin(database, *ids)) == len(ids)
    change(
        database,
        "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'running'",
    )


def test_a_job_whose_worker_is_gone_costs_an_attempt_and_is_done_by_another(
    database: Database, executor: Executor
) -> None:
    job = post(database, tasks.effect, key="k")
    lose(database, job)
    assert take_over_lost(database) == 1
    assert state(database, job) == State.RETRYING
    (attempt,) = attempts(database, job)
    assert (attempt.attempt, attempt.outcome, attempt.worker) == (1, "lost", "lost@nowhere")
    assert attempt.error_code == "WORKER_LOST_001"
    assert len(hints(database, job)) == 2
    change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp()")
    executor.execute([job])
    found = find(database, job)
    assert (found.state, found.attempt, effects(database, "k")) == (State.SUCCEEDED, 2, 1)


def test_a_running_job_whose_lease_lasts_is_left_alone(database: Database) -> None:
    job = post(database, tasks.effect, key="k")
    begin(database, job)
    assert take_over_lost(database) == 0
    assert state(database, job) == State.RUNNING


def test_a_job_whose_lock_is_held_gets_more_time_and_is_taken_over_when_it_is_free(database: Database) -> None:
    job = post(database, tasks.effect, key="k")
    lose(database, job)
    overdue = find(database, job).lease_until
    assert overdue is not None
    with database.transaction() as worker:
        assert leases.try_lock(worker, [job])
        assert take_over_lost(database) == 0
        prolonged = find(database, job)
        assert prolonged.state == State.RUNNING
        assert prolonged.lease_until is not None
        assert prolonged.lease_until > overdue
    change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
    assert take_over_lost(database) == 1
    assert state(database, job) == State.RETRYING


def test_a_job_that_kills_its_worker_each_time_ends_in_a_dead_letter(database: Database) -> None:
    job = post(database, tasks.crash, JobOptions(max_attempts=2), times=-1)
    for _ in range(2):
        change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp()")
        lose(database, job)
        take_over_lost(database)
    assert state(database, job) == State.DEAD
    assert [letter.reason for letter in letters(database, job)] == ["crash_loop"]
    assert [attempt.outcome for attempt in attempts(database, job)] == ["lost", "lost"]


def test_a_lost_job_of_a_task_that_is_no_longer_known_goes_back_all_the_same(database: Database) -> None:
    job = insert_job(database, state=State.RUNNING, task="demo.of_yesterday")
    change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
    assert take_over_lost(database) == 1
    assert state(database, job) == State.RETRYING


def test_two_reconcilers_side_by_side_take_each_job_once(database: Database) -> None:
    jobs = [post(database, tasks.effect, key="k") for _ in range(BATCH + 20)]
    lose(database, *jobs)
    both = threading.Barrier(2)

    def take_all() -> int:
        both.wait(60)
        return sum(take_over_lost(database) for _ in range(4))

    with ThreadPoolExecutor(2) as pool:
        numbers = [pool.submit(take_all) for _ in range(2)]
        assert sum(number.result(60) for number in numbers) == len(jobs)
    assert {state(database, job) for job in jobs} == {State.RETRYING}
    assert [len(attempts(database, job)) for job in jobs] == [1] * len(jobs)


def test_one_round_takes_no_more_than_its_batch(database: Database) -> None:
    jobs = [insert_job(database, state=State.RUNNING) for _ in range(BATCH + 1)]
    change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
    assert [take_over_lost(database), take_over_lost(database)] == [BATCH, 1]
    assert {state(database, job) for job in jobs} == {State.RETRYING}
