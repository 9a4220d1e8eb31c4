"""What jobs wait for, told while real processes are stopped, busy, paused and cut off; and all of them end."""

from uuid import UUID

import pytest
from sqlalchemy import text

from gristmill.services.valkey import Valkey
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.models import Job
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.operating.pause import pause_queue, resume_queue
from gristmill.shared.operating.wait_reason import WaitReason
from gristmill.shared.operating.why_waiting import explain_waiting
from tests import platform_tasks as tasks
from tests.acceptance.conftest import MakeMill, Mill
from tests.eventually import eventually
from tests.factories import have_ended, post, state

DATA = "data_processing_queue"
PATIENCE = 90.0  # seconds; real processes, on a machine that is busy with others


@pytest.fixture(scope="module")
def mill(make_mill: MakeMill, valkey_server: Valkey) -> Mill:
    """A relay and a worker with one process, on a broker that may be stopped."""
    made = make_mill(valkey_server, valkey_server.url)
    made.cluster.relay()
    made.cluster.worker(DATA, concurrency=1)
    return made


def waiting(database: Database, job_id: UUID) -> WaitReason:
    with database.transaction() as session:
        found = explain_waiting(session, session.get_one(Job, job_id))
    assert found is not None
    return found


def comes_to_wait(database: Database, job_id: UUID, reason: str) -> WaitReason:
    def look() -> WaitReason | None:
        found = waiting(database, job_id)
        return found if found.reason == reason else None

    try:
        found = eventually(look, within=PATIENCE)
        assert found is not None
    except AssertionError:
        raise AssertionError(f"waits for {waiting(database, job_id)}") from None
    return found


@pytest.mark.timeout(600)
def test_each_thing_in_the_way_is_told_while_it_is_there(mill: Mill) -> None:
    database, members = mill.database, mill.cluster.members
    job = post(database, tasks.echo, message="nobody is there yet")
    assert waiting(database, job).message == "no relay has ever run: start one with `gristmill relay`"
    mill.up()
    eventually(lambda: have_ended(database, job), within=PATIENCE)

    runs = post(database, tasks.sleep, seconds=600)
    found = comes_to_wait(database, runs, "running")
    assert f"runs on worker {DATA}@" in found.message
    following = post(database, tasks.echo, message="m")
    found = comes_to_wait(database, following, "workers_busy")
    last = post(database, tasks.echo, message="m")
    found = comes_to_wait(database, last, "behind_others")
    assert found.message.startswith(f"behind 1 older job of {DATA}; the oldest has waited ")
    members[DATA].kill_children()  # with the job that sleeps; nobody looks for it here
    eventually(lambda: have_ended(database, following, last), within=PATIENCE)

    fails = post(database, tasks.fail, JobOptions(max_attempts=20), times=-1)  # its waits grow: one of them is seen
    found = comes_to_wait(database, fails, "retrying")
    assert found.message.startswith("retrying after `")
    with database.transaction() as session:
        cancel_job(session, fails, actor="ada")
    eventually(lambda: have_ended(database, fails), within=PATIENCE)

    mill.broker.stop()
    cut_off = post(database, tasks.echo, message="m")
    found = comes_to_wait(database, cut_off, "broker_unreachable")
    assert found.message.startswith("the broker is unreachable since 20")
    assert found.details["reported_by"].startswith("relay@")
    mill.broker.start(120)
    eventually(lambda: have_ended(database, cut_off), within=PATIENCE)

    members[DATA].terminate()
    members[DATA].wait()
    alone = post(database, tasks.echo, message="m")
    found = comes_to_wait(database, alone, "no_worker")
    assert found.message.startswith(f"no worker has consumed {DATA} for ")
    assert " was stopped at 20" in found.message
    members["relay"].terminate()
    members["relay"].wait()
    unseen = post(database, tasks.echo, message="m")
    assert waiting(database, unseen).message.startswith("no relay has run for ")

    with database.transaction() as session:
        pause_queue(session, DATA, actor="ada", reason="the disk is full")
    mill.up()  # a pause survives the restart of all
    held = post(database, tasks.echo, message="m")
    for job in (alone, unseen, held):
        found = waiting(database, job)
        assert found.message.startswith(f"the queue {DATA} is paused by ada since 20")
        assert state(database, job) == "queued"
    eventually(lambda: nothing_is_on_its_way(database), within=PATIENCE)
    assert [state(database, job) for job in (alone, unseen, held)] == ["queued"] * 3
    with database.transaction() as session:
        resume_queue(session, DATA, actor="ada")
    eventually(lambda: have_ended(database, alone, unseen, held), within=PATIENCE)


def nothing_is_on_its_way(database: Database) -> bool:
    """Say whether every hint that is due was published or is held: all three jobs' are."""
    with database.transaction() as session:
        return int(session.execute(text("SELECT count(*) FROM gristmill.held_hints")).scalar_one()) == 3
