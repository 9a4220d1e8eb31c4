"""Whoever dies, in whichever middle: every job ends, and its effects happened once."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from gristmill.services.service import Service
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.states import State
from tests import platform_tasks as tasks
from tests.acceptance.conftest import MakeMill, Mill
from tests.eventually import eventually
from tests.factories import attempts, effects, find, have_ended, hints, letters, post, post_many, state, states

PATIENCE = 120.0  # on Valkey a killed worker's hints come back after the visibility timeout of 15 s and a sweep
DATA = "data_processing_queue"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def mill_of_module(make_mill: MakeMill, broker: tuple[Service, str]) -> Mill:
    mill = make_mill(*broker)
    mill.cluster.relay()
    mill.cluster.maintenance()
    mill.cluster.worker(DATA, concurrency=2)
    mill.cluster.web()
    return mill


@pytest.fixture
def mill(mill_of_module: Mill) -> Iterator[Mill]:
    mill_of_module.up()
    yield mill_of_module
    print(mill_of_module.cluster.tails)  # noqa: T201  seen when the test failed


@pytest.fixture
def key() -> str:
    """What this test's effects are counted by."""
    return uuid7().hex


@contextmanager
def effects_held_up(database: Database) -> Iterator[None]:
    """Let no effect be written meanwhile: a handler that tries stands in its middle."""
    with database.session() as session, session.begin():
        session.execute(text("LOCK TABLE gristmill.demo_effects IN ACCESS EXCLUSIVE MODE"))
        yield


@pytest.mark.parametrize("victim", ["worker", "child"])
def test_jobs_whose_worker_is_killed_in_their_middle_end_and_their_effects_happen_once(
    mill: Mill, key: str, victim: str
) -> None:
    database, worker = mill.database, mill.cluster.members[DATA]
    with effects_held_up(database):
        effect, sleep = post(database, tasks.effect, key=key), post(database, tasks.sleep, seconds=20)
        eventually(lambda: states(database, effect, sleep) == [State.RUNNING] * 2)
        others = post_many(database, 20, tasks.effect, key=key)
        if victim == "worker":
            worker.kill()
        else:
            worker.kill_children()
    mill.cluster.up()
    eventually(lambda: have_ended(database, effect, sleep, *others), within=PATIENCE)
    assert set(states(database, effect, sleep, *others)) == {State.SUCCEEDED}
    assert effects(database, key) == 21
    for job in (effect, sleep):  # a machine that stalls for longer than a lease loses an attempt more
        assert {attempt.outcome for attempt in attempts(database, job)} == {"lost"}


def test_jobs_survive_their_relay_being_killed_under_load(mill: Mill, key: str) -> None:
    jobs = []
    for _ in range(2):
        jobs += post_many(mill.database, 400, tasks.effect, key=key)
        eventually(lambda: len(hints(mill.database)) < 400)
        mill.cluster.members["relay"].kill()
        mill.cluster.up()
    eventually(lambda: have_ended(mill.database, *jobs), within=PATIENCE)
    assert set(states(mill.database, *jobs)) == {State.SUCCEEDED}
    assert effects(mill.database, key) == 800


def test_jobs_are_accepted_while_the_broker_is_down_and_end_when_it_is_back(mill: Mill, key: str) -> None:
    headers = mill.make_key()
    mill.broker.kill()
    jobs = []
    for _ in range(20):
        body = {"task": "demo.effect", "args": {"key": key}}
        answer = httpx.post(f"{mill.cluster.url}/api/v1/jobs", json=body, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code == 202, answer.text
        jobs.append(UUID(answer.json()["id"]))
    assert effects(mill.database, key) == 0
    mill.broker.start(120)
    eventually(lambda: have_ended(mill.database, *jobs), within=PATIENCE)
    assert set(states(mill.database, *jobs)) == {State.SUCCEEDED}
    assert effects(mill.database, key) == 20


def test_a_worker_that_is_asked_to_end_finishes_what_runs(mill: Mill) -> None:
    worker = mill.cluster.members[DATA]
    running = post(mill.database, tasks.sleep, seconds=10)
    eventually(lambda: state(mill.database, running) == State.RUNNING)
    children = worker.children
    worker.terminate()
    assert worker.wait() == 0
    assert children
    found = find(mill.database, running)
    assert (found.state, found.attempt, found.result) == (State.SUCCEEDED, 1, {"seconds": 10.0})


def test_jobs_that_crash_or_fail_end_as_they_must(mill: Mill) -> None:
    database = mill.database
    once, for_ever = (
        post(database, tasks.crash, times=1),
        post(database, tasks.crash, JobOptions(max_attempts=2), times=-1),
    )
    again, hopeless = post(database, tasks.fail, times=1), post(database, tasks.fail, times=1, kind="permanent")
    jobs = [once, for_ever, again, hopeless]
    eventually(lambda: have_ended(database, *jobs), within=PATIENCE)
    assert states(database, *jobs) == [State.SUCCEEDED, State.DEAD, State.SUCCEEDED, State.DEAD]
    assert [find(database, job).attempt for job in jobs] == [2, 2, 2, 1]
    assert [letter.reason for job in jobs for letter in letters(database, job)] == ["crash_loop", "permanent"]
