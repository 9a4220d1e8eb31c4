"""Many jobs are cancelled by a filter: each as it is at that moment, against claims and settles, without a deadlock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.audit.queries import list_acts
from gristmill.shared.database.connect import Database
from gristmill.shared.filters.parse import read_filter
from gristmill.shared.filters.specification import EVERYTHING, Specification
from gristmill.shared.jobs import moves
from gristmill.shared.operating.cancel_many import CancelProgress, cancel_matching
from gristmill.shared.operating.job_filter import JOBS, choose_jobs
from gristmill.shared.states import FINAL, LIVE, WAITING, State
from tests.eventually import eventually
from tests.factories import FAILURE, begin, find, insert_job, post_many, states

ME = "cli:ada"


def cancel(database: Database, wanted: Specification = EVERYTHING, **options: Any) -> CancelProgress:
    return list(cancel_matching(database, wanted, actor=ME, **options))[-1]


def test_each_state_ends_as_it_does_when_one_job_is_cancelled(database: Database) -> None:
    jobs = {before: insert_job(database, state=before) for before in State}
    done = cancel(database)
    assert (done.cancelled, done.asked, done.skipped, done.more) == (len(WAITING), 1, 0, False)
    for before, job in jobs.items():
        found = find(database, job)
        assert found.state == (State.CANCELLED if before in WAITING else before)
        assert (found.cancel_requested_at is not None) == (before in LIVE)
    again = cancel(database)
    assert (again.seen, again.more) == (0, False)


def test_a_thousand_go_in_batches_each_with_its_record(database: Database) -> None:
    jobs = post_many(database, 1000, "demo.echo", message="x")
    begin(database, *jobs[:10])
    done = [progress.seen for progress in cancel_matching(database, choose_jobs(task="demo.echo"), actor=ME)]
    assert done == [300, 600, 900, 1000, 1000]
    assert states(database, *jobs) == [State.RUNNING] * 10 + [State.CANCELLED] * 990
    with database.transaction() as session:
        acts = list_acts(session, "jobs")
    assert [(act.details["cancelled"], act.details["asked"]) for act in reversed(acts)] == [
        (290, 10),
        (300, 0),
        (300, 0),
        (100, 0),
    ]
    assert {str(act.details["filter"]) for act in acts} == {"{'eq': 'demo.echo', 'field': 'task'}"}


def test_who_has_no_more_time_stops_between_two_jobs_that_others_held(database: Database) -> None:
    jobs = post_many(database, 3, "demo.echo", message="x")
    with database.session() as session, session.begin():
        session.execute(text("SELECT FROM gristmill.jobs FOR UPDATE"))
        steps = cancel_matching(database, EVERYTHING, actor=ME)
        done = next(steps)
        assert (done.seen, done.more) == (0, True)
    for cancelled in (1, 2, 3):
        assert next(steps).cancelled == cancelled
        assert states(database, *jobs).count(State.CANCELLED) == cancelled
        assert done.more
    assert not next(steps).more


def test_what_does_not_fit_any_more_when_it_is_its_turn_is_left_alone(database: Database) -> None:
    """A job that is being claimed while it is looked for is waited for, and looked at again."""
    claimed, other = post_many(database, 2, "demo.echo", message="x")
    with ThreadPoolExecutor(1) as threads, database.session() as session:
        with session.begin():
            assert moves.claim(session, [claimed], worker="w1", lease=60)
            cancelling = threads.submit(cancel, database, choose_jobs(state="queued"))
            eventually(lambda: waits_for_a_lock(database))
        done = cancelling.result(60)
    assert (done.cancelled, done.asked, done.skipped) == (1, 0, 1)
    assert states(database, claimed, other) == [State.RUNNING, State.CANCELLED]
    assert find(database, claimed).cancel_requested_at is None


def waits_for_a_lock(database: Database) -> bool:
    with database.transaction() as session:
        return bool(session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def test_jobs_that_settle_meanwhile_have_one_end_each(database: Database) -> None:
    jobs = post_many(database, 200, "demo.echo", message="x")
    running = begin(database, *jobs[:100])
    together = Barrier(3)

    def settle() -> int:
        together.wait(60)
        moved = 0
        for first in range(0, 100, 10):  # against the order of the cancel
            batch = [(each.id, each.attempt, None) for each in reversed(running[first : first + 10])]
            with database.transaction() as session:
                moved += len(moves.succeed(session, batch))
        return moved

    def claim() -> int:
        together.wait(60)
        return sum(len(begin(database, *reversed(jobs[first : first + 10]))) for first in range(100, 200, 10))

    def end() -> CancelProgress:
        together.wait(60)
        return cancel(database)

    with ThreadPoolExecutor(3) as threads:
        settled, claimed, done = threads.submit(settle), threads.submit(claim), threads.submit(end)
        assert settled.result(60) == 100  # a running job that was only asked to end may still succeed
        begun, cancelled = claimed.result(60), done.result(60)
    found = states(database, *jobs[100:])
    assert found.count(State.RUNNING) == begun
    assert found.count(State.CANCELLED) == cancelled.cancelled == 100 - begun
    assert cancelled.seen <= 200


def test_a_running_job_that_was_asked_ends_cancelled_and_does_not_go_on_to_wait(database: Database) -> None:
    job = insert_job(database, state=State.RUNNING)
    assert cancel(database).asked == 1
    with database.transaction() as session:
        assert not moves.retry(session, job, 1, delay=timedelta(hours=1), failure=FAILURE)
        assert moves.cancel(session, job, 1, reason="it was asked to")
    assert find(database, job).state == State.CANCELLED


@pytest.mark.parametrize("wanted", [{"field": "state", "in": sorted(FINAL)}, {"field": "id", "eq": str(UUID(int=9))}])
def test_what_fits_nothing_changes_nothing_and_leaves_no_record(database: Database, wanted: Any) -> None:
    for before in State:
        insert_job(database, state=before)
    assert cancel(database, read_filter(wanted, JOBS)).seen == 0
    with database.transaction() as session:
        assert list_acts(session, "jobs") == []
