"""SIGTERM in the middle of a bundle: the job that runs is finished, the others go to the next worker at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from gristmill.services.service import Service
from gristmill.shared.database.connect import Database
from gristmill.shared.states import State
from tests import platform_tasks as tasks
from tests.acceptance.conftest import LONG_LEASE, MakeMill, Mill
from tests.eventually import eventually
from tests.factories import attempts, change, effects, find, have_ended, post_bundle, states

DATA = "data_processing_queue"
JOBS = 10
TOLD = "Warm shutdown"  # what Celery says in its handler of SIGTERM

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def mill_of_module(make_mill: MakeMill, broker: tuple[Service, str]) -> Mill:
    mill = make_mill(*broker, GRISTMILL_LEASE=LONG_LEASE)
    mill.cluster.relay()
    mill.cluster.maintenance()
    mill.cluster.worker(DATA, concurrency=1)
    return mill


@pytest.fixture
def mill(mill_of_module: Mill) -> Iterator[Mill]:
    mill_of_module.up()
    yield mill_of_module
    print(mill_of_module.cluster.tails)  # noqa: T201  seen when the test failed


@contextmanager
def a_bundle_in_its_first_job(mill: Mill, key: str) -> Iterator[list[UUID]]:
    """Have all of a bundle running, its first job held up in its middle until the block ends; it works on then."""
    with mill.database.session() as session, session.begin():
        session.execute(text("LOCK TABLE gristmill.demo_effects IN ACCESS EXCLUSIVE MODE"))
        jobs = post_bundle(
            mill.database, *[(tasks.linger, {"key": key, "seconds": seconds}) for seconds in (8, *[0] * (JOBS - 1))]
        )
        eventually(lambda: set(states(mill.database, *jobs)) == {State.RUNNING} and is_held_up(mill.database))
        yield jobs


def is_held_up(database: Database) -> bool:
    query = "SELECT 1 FROM pg_locks WHERE relation = 'gristmill.demo_effects'::regclass AND NOT granted"
    with database.transaction() as session:
        return session.scalar(text(query)) is not None


def outcomes(database: Database, job: UUID) -> list[tuple[int, str]]:
    return [(each.attempt, each.outcome) for each in attempts(database, job)]


def test_a_worker_that_is_asked_to_end_finishes_its_job_and_the_next_one_runs_the_others(mill: Mill) -> None:
    database, worker, key = mill.database, mill.cluster.members[DATA], uuid7().hex
    with a_bundle_in_its_first_job(mill, key) as jobs:
        said = worker.output.count(TOLD)
        worker.terminate()
        eventually(lambda: worker.output.count(TOLD) > said)
    assert worker.wait() == 0
    done = [job for job in jobs if find(database, job).state == State.SUCCEEDED]
    rest = [job for job in jobs if job not in done]
    assert len(done) == effects(database, key) == 1
    assert states(database, *rest) == [State.QUEUED] * len(rest)
    assert [outcomes(database, job) for job in rest] == [[(1, "given_back")]] * len(rest)

    mill.cluster.up()
    eventually(lambda: have_ended(database, *jobs), within=120)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert {find(database, job).max_attempts - find(database, job).attempt for job in jobs} == {
        tasks.linger.retry.max_attempts - 1
    }
    assert effects(database, key) == JOBS


def test_a_worker_that_is_asked_to_end_and_killed_then_is_taken_over(mill: Mill) -> None:
    database, worker, key = mill.database, mill.cluster.members[DATA], uuid7().hex
    with a_bundle_in_its_first_job(mill, key) as jobs:
        worker.terminate()
        worker.kill()
    change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() WHERE state = 'running'")
    mill.cluster.up()
    eventually(lambda: have_ended(database, *jobs), within=120)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert [outcomes(database, job) for job in jobs] == [[(1, "lost")]] * JOBS
    assert effects(database, key) == JOBS
