"""Cancel and run now: from every state, and against a claim at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.audit.queries import list_acts
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import ConflictError, JobNotFoundError
from gristmill.shared.jobs import leases, moves
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.outbox import take_due
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.operating.run_now import run_job_now
from gristmill.shared.states import LIVE, WAITING, State
from tests.factories import FAILURE, begin, find, hints, insert_job, post, state, states

ME = "cli:ada"
LATER = JobOptions(delay=timedelta(hours=1))


def cancel(database: Database, job: UUID) -> str:
    with database.transaction() as session:
        return cancel_job(session, job, actor=ME).state


def hurry(database: Database, job: UUID) -> str:
    with database.transaction() as session:
        return run_job_now(session, job, actor=ME).state


def actions(database: Database, job: UUID) -> list[str]:
    with database.transaction() as session:
        return [act.action for act in list_acts(session, f"job:{job}")]


@pytest.mark.parametrize("before", State)
def test_cancelling_ends_what_waits_asks_what_runs_and_leaves_what_has_ended(
    table_database: Database, before: State
) -> None:
    job = insert_job(table_database, state=before)
    if before in (State.SUCCEEDED, State.DEAD):
        with pytest.raises(ConflictError, match=f"is {before} already"):
            cancel(table_database, job)
    else:
        after = cancel(table_database, job)
        assert after == (State.RUNNING if before == State.RUNNING else State.CANCELLED)
        assert cancel(table_database, job) == after
    found = find(table_database, job)
    assert (found.cancel_requested_at is not None) == (before in LIVE)
    assert found.state == (State.CANCELLED if before in WAITING else before)
    assert actions(table_database, job) == (["job.cancel"] if before in LIVE else [])


@pytest.mark.parametrize("before", State)
def test_waiting_jobs_are_cancelled_together_and_the_others_are_left(table_database: Database, before: State) -> None:
    jobs = [insert_job(table_database, state=before) for _ in range(3)]
    with table_database.transaction() as session:
        assert moves.cancel_waiting(session, jobs) == (set(jobs) if before in WAITING else set())
    assert set(states(table_database, *jobs)) == {State.CANCELLED if before in WAITING else before}


def test_a_cancelled_job_is_not_claimed_and_its_hint_finds_nothing(database: Database) -> None:
    job = post(database, "demo.echo", message="x")
    cancel(database, job)
    assert len(hints(database, job)) == 1
    assert begin(database, job) == []
    assert state(database, job) == State.CANCELLED


def test_a_running_job_keeps_the_time_it_was_first_asked_and_its_worker_sees_it(database: Database) -> None:
    job = post(database, "demo.echo", message="x")
    begin(database, job)
    cancel(database, job)
    first = find(database, job).cancel_requested_at
    cancel(database, job)
    assert find(database, job).cancel_requested_at == first
    with database.transaction() as session:
        assert leases.cancel_requested(session, job)


def test_of_a_cancel_and_a_claim_at_once_exactly_one_wins(database: Database) -> None:
    won = []
    for _ in range(20):
        job = post(database, "demo.echo", message="x")
        together = Barrier(2)

        def act(kind: str, job: UUID = job, together: Barrier = together) -> bool:
            together.wait(60)
            return bool(begin(database, job)) if kind == "claim" else cancel(database, job) == State.CANCELLED

        with ThreadPoolExecutor(2) as threads:
            claimed, cancelled = threads.map(act, ("claim", "cancel"))
        assert claimed != cancelled
        found = find(database, job)
        assert (found.state, found.attempt) == ((State.RUNNING, 1) if claimed else (State.CANCELLED, 0))
        assert found.cancel_requested_at is not None
        won.append(claimed)
    assert len(won) == 20


@pytest.mark.parametrize("before", State)
def test_only_a_job_that_waits_for_its_time_can_be_run_now(table_database: Database, before: State) -> None:
    ahead = find(table_database, post(table_database, "demo.echo", LATER, message="x")).run_at
    job = insert_job(table_database, state=before, run_at=ahead)
    with table_database.transaction() as session:
        assert moves.run_now(session, job) == (before in (State.SCHEDULED, State.RETRYING))
    found = find(table_database, job)
    if before in (State.SCHEDULED, State.RETRYING):
        assert found.state == State.QUEUED
        assert [hint.due_at for hint in hints(table_database, job)] == [found.run_at]
    else:
        assert (found.state, found.run_at) == (before, ahead)
        assert not hints(table_database, job)


def test_a_delayed_job_that_is_to_run_now_is_published_once(database: Database) -> None:
    job = post(database, "demo.echo", LATER, message="x")
    together = Barrier(3)

    def act(_: int) -> str:
        together.wait(60)
        return hurry(database, job)

    with ThreadPoolExecutor(3) as threads:
        assert set(threads.map(act, range(3))) == {State.QUEUED}
    found = find(database, job)
    assert [hint.due_at for hint in hints(database, job)] == [found.run_at]
    with database.transaction() as session:
        assert [due.job_id for due in take_due(session, limit=10)] == [job]
    assert hints(database) == []
    assert actions(database, job) == ["job.run_now"]
    assert [each.attempt for each in begin(database, job)] == [1]


def test_a_job_that_waits_for_its_next_attempt_can_be_run_now(database: Database) -> None:
    job = post(database, "demo.echo", message="x")
    (claimed,) = begin(database, job)
    with database.transaction() as session:
        assert moves.retry(session, job, claimed.attempt, delay=timedelta(hours=1), failure=FAILURE)
    assert hurry(database, job) == State.QUEUED
    assert [each.attempt for each in begin(database, job)] == [2]


def test_a_job_that_is_due_stays_as_it_is(database: Database) -> None:
    job = post(database, "demo.echo", message="x")
    due = find(database, job).run_at
    assert hurry(database, job) == State.QUEUED
    assert find(database, job).run_at == due
    assert len(hints(database, job)) == 1
    assert actions(database, job) == []


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (State.RUNNING, "is running .* being worked on"),
        (State.DEAD, "is dead .* redrive its dead letter"),
        (State.SUCCEEDED, "is succeeded .* post another job"),
        (State.CANCELLED, "is cancelled .* post another job"),
    ],
)
def test_what_cannot_be_run_now_says_what_to_do_instead(table_database: Database, before: State, told: str) -> None:
    with pytest.raises(ConflictError, match=told):
        hurry(table_database, insert_job(table_database, state=before))


def test_a_job_of_nobody_cannot_be_cancelled_or_hurried(database: Database) -> None:
    nobody, job = UUID(int=1), post(database, "demo.echo", LATER, message="x")
    for act in (cancel_job, run_job_now):
        for job_id, producer_id in ((UUID(int=2), None), (job, nobody)):
            with database.transaction() as session, pytest.raises(JobNotFoundError):
                act(session, job_id, actor=ME, producer_id=producer_id)
    assert state(database, job) == State.SCHEDULED
