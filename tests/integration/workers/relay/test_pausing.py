"""A paused queue: accepted, not started; nothing is lost, nothing is doubled, and all of it runs when it goes on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from gristmill.shared.audit.models import AuditEntry
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import NotFoundError
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.moves import retry, succeed
from gristmill.shared.operating.models import HeldHint
from gristmill.shared.operating.pause import expire_held, pause_queue, resume_queue
from gristmill.shared.operating.queries_pause import find_control
from gristmill.shared.outcomes import Snooze
from gristmill.workers.celery.app import make_app
from gristmill.workers.execute import unclaimed
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.loop import Stop
from gristmill.workers.relay.loop import Relay
from gristmill.workers.relay.publish import make_publisher
from gristmill.workers.repair.broker_depths import BrokerView
from gristmill.workers.repair.lost_hints import GRACE, OVERTAKEN_BY, LostHints
from tests import platform_tasks as tasks
from tests.factories import FAILURE, begin, change, effects, find, hints, post, post_many, reached, state, states
from tests.integration.workers.conftest import Declare
from tests.integration.workers.messages import take

DATA = "data_processing_queue"
MakeRelay = Callable[..., Relay]


@pytest.fixture
def make_relay(database_url: str) -> Iterator[MakeRelay]:
    with ExitStack() as stack:

        def make(broker_url: str, **changes: int) -> Relay:
            environment = {"GRISTMILL_BROKER_URL": broker_url}
            database = stack.enter_context(reached(database_url, environment=environment, **changes))
            publisher = make_publisher(make_app(database.settings), database.settings)
            made = Relay(database.settings, database, publisher, Stop())
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def relay(make_relay: MakeRelay, redis_url: str) -> Relay:
    """A relay on a broker of this test's own, `redis_url`."""
    return make_relay(redis_url)


def pause(database: Database, queue: str = DATA, *, reason: str | None = "the disk is full") -> bool:
    with database.transaction() as session:
        return pause_queue(session, queue, actor="ada", reason=reason)


def resume(database: Database, queue: str = DATA) -> bool:
    with database.transaction() as session:
        return resume_queue(session, queue, actor="bob")


def held(database: Database) -> list[UUID]:
    with database.transaction() as session:
        return list(session.scalars(select(HeldHint.job_id).order_by(HeldHint.due_at, HeldHint.job_id)))


def work_off(relay: Relay) -> None:
    """Let the relay do all that it has to do now."""
    while relay.publish_due() or relay.release_held():
        pass


def arrived(url: str, queue: str = DATA) -> list[UUID]:
    return [UUID(job_id) for _, body in take(url, queue) for job_id in body[0][0]]


def test_jobs_of_a_paused_queue_are_accepted_and_held_and_all_run_when_it_goes_on(
    database: Database, make_relay: MakeRelay, broker_url: str, executor: Executor
) -> None:
    relay = make_relay(broker_url)
    pause(database)
    jobs = post_many(database, 3, tasks.effect, key="k")
    work_off(relay)
    assert (arrived(broker_url), held(database), hints(database)) == ([], jobs, [])
    resume(database)
    work_off(relay)
    assert held(database) == []
    found = arrived(broker_url)
    assert found == jobs
    executor.execute(found)
    assert states(database, *jobs) == ["succeeded"] * 3
    assert effects(database, "k") == 3


def test_a_hint_that_was_in_the_broker_already_starts_nothing_and_comes_again_once(
    database: Database, relay: Relay, redis_url: str, executor: Executor
) -> None:
    jobs = post_many(database, 3, tasks.effect, key="k")
    work_off(relay)
    found = arrived(redis_url)
    pause(database)
    for _ in range(2):  # the broker delivers it twice
        assert executor.execute(found) is False
    assert states(database, *jobs) == ["queued"] * 3
    assert {find(database, job).attempt for job in jobs} == {0}
    assert (held(database), hints(database)) == (jobs, [])
    resume(database)
    work_off(relay)
    assert arrived(redis_url) == jobs
    executor.execute(jobs)
    assert effects(database, "k") == 3


def test_a_queue_that_goes_on_just_after_a_claim_was_refused_loses_nothing(
    database: Database, relay: Relay, redis_url: str, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = post(database, tasks.effect, key="k")
    work_off(relay)
    found = arrived(redis_url)
    pause(database)
    settle = unclaimed._settle
    monkeypatch.setattr(unclaimed, "_settle", lambda *about: (resume(database), settle(*about)))
    executor.execute(found)
    work_off(relay)
    assert arrived(redis_url) == [job]


def test_what_runs_when_its_queue_is_paused_ends_and_its_next_attempt_waits(
    database: Database, relay: Relay, redis_url: str
) -> None:
    ends, fails = post_many(database, 2, tasks.effect, key="k")
    one, other = begin(database, ends, fails)
    pause(database)
    with database.transaction() as session:
        assert succeed(session, [(one.id, one.attempt, None)])
        assert retry(session, other.id, other.attempt, delay=timedelta(0), failure=FAILURE)
    work_off(relay)
    assert states(database, ends, fails) == ["succeeded", "retrying"]
    assert arrived(redis_url) == []
    assert begin(database, fails) == []


def test_a_job_that_snoozes_in_a_queue_that_is_paused_meanwhile_waits_on(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def nap(ctx: object) -> Snooze:
        pause(database)
        return Snooze(timedelta(0))

    job = post(database, declare(nap))
    executor.execute([job])
    executor.execute([job])
    assert (state(database, job), find(database, job).attempt) == ("scheduled", 1)


def test_a_paused_queue_does_not_hold_up_the_others_and_urgent_jobs_have_a_queue_of_their_own(
    database: Database, relay: Relay, redis_url: str
) -> None:
    pause(database)
    post_many(database, 3, tasks.effect, key="k")
    urgent = post(database, tasks.effect, JobOptions(priority="high"), key="k")
    work_off(relay)
    assert arrived(redis_url, "priority_queue") == [urgent]
    assert begin(database, urgent)


def test_jobs_that_wait_too_long_in_a_paused_queue_expire_there(database: Database, relay: Relay) -> None:
    pause(database)
    over, wanted = post_many(database, 2, tasks.effect, key="k")
    change(database, "UPDATE gristmill.jobs SET expires_at = clock_timestamp() WHERE id = :id", id=over)
    work_off(relay)
    with database.transaction() as session:
        assert expire_held(session, limit=10) == 1
    assert states(database, over, wanted) == ["dead", "queued"]
    assert held(database) == [wanted]


def test_a_job_that_was_cancelled_is_not_held(database: Database, relay: Relay) -> None:
    pause(database)
    job = post(database, tasks.effect, key="k")
    change(
        database,
        "UPDATE gristmill.jobs SET state = 'cancelled', finished_at = clock_timestamp() WHERE id = :id",
        id=job,
    )
    work_off(relay)
    assert held(database) == []


def test_two_relays_hold_and_release_side_by_side_and_each_hint_arrives_once(
    database: Database, make_relay: MakeRelay, redis_url: str
) -> None:
    relays = [make_relay(redis_url, relay_batch=20) for _ in range(2)]
    pause(database)
    jobs = post_many(database, 200, tasks.fail, times=0)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work_off, relays))
        assert held(database) == jobs
        resume(database)
        list(pool.map(work_off, relays))
    assert sorted(arrived(redis_url)) == jobs


def test_what_was_held_after_its_worker_was_lost_goes_alone(database: Database, executor: Executor) -> None:
    job = post(database, tasks.effect, key="k")
    change(database, "INSERT INTO gristmill.attempts (job_id, attempt, outcome) VALUES (:id, 1, 'lost')", id=job)
    change(database, "DELETE FROM gristmill.outbox")
    pause(database)
    executor.execute([job])
    with database.transaction() as session:
        assert session.scalars(select(HeldHint.alone)).all() == [True]


def test_nothing_of_a_paused_queue_is_taken_for_lost_nor_what_it_held_for_overtaken_afterwards(
    database: Database, make_relay: MakeRelay, broker_url: str, executor: Executor
) -> None:
    relay = make_relay(broker_url)
    view = BrokerView(make_app(relay._settings), relay._settings)
    lost = LostHints(database, view.count_ready)
    view.channel()  # declares the queues

    def let_pass(seconds: float) -> None:
        shift = "- :seconds * interval '1 second'"
        for table, column in (("jobs", "run_at"), ("outbox", "due_at"), ("held_hints", "due_at")):
            change(database, f"UPDATE gristmill.{table} SET {column} = {column} {shift}", seconds=seconds)
        change(database, f"UPDATE gristmill.queue_controls SET released_at = released_at {shift}", seconds=seconds)

    old = post(database, tasks.effect, key="k")
    work_off(relay)
    executor_got = arrived(broker_url)
    pause(database)
    executor.execute(executor_got)
    let_pass(GRACE + 1)
    assert [lost.look() for _ in range(3)] == [0, 0, 0]  # the broker's queue is empty, and it is due
    let_pass(OVERTAKEN_BY.total_seconds() * 2)
    resume(database)
    young, younger = post_many(database, 2, tasks.effect, key="k")
    assert [lost.look() for _ in range(3)] == [0, 0, 0]  # its hint is held still
    while relay.publish_due():
        pass
    work_off(relay)
    assert begin(database, young)
    assert [lost.look() for _ in range(3)] == [0, 0, 0]  # it comes after the younger ones, and is not lost
    assert arrived(broker_url) == [young, younger, old]  # now it is
    let_pass(OVERTAKEN_BY.total_seconds() + 5)
    last = post_many(database, 2, tasks.effect, key="k")
    work_off(relay)
    assert begin(database, last[0])
    assert [lost.look(), lost.look()] == [0, 2]
    assert sorted(hint.job_id for hint in hints(database)) == sorted([old, younger])
    view.forget()


def test_pausing_twice_and_resuming_twice_change_nothing_and_each_act_is_on_record(database: Database) -> None:
    assert [pause(database), pause(database, reason="another")] == [True, False]
    with database.transaction() as session:
        control = find_control(session, DATA)
    assert (control.paused_by, control.pause_reason) == ("ada", "the disk is full")
    assert [resume(database), resume(database)] == [True, False]
    with database.transaction() as session:
        acts = [
            (act.actor, act.action, act.subject) for act in session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        ]
    assert acts == [("ada", "queue.pause", f"queue:{DATA}"), ("bob", "queue.resume", f"queue:{DATA}")]


def test_a_queue_that_there_is_not_is_refused_with_those_that_there_are(database: Database) -> None:
    with pytest.raises(NotFoundError, match="email_queue"):
        pause(database, "mail")
