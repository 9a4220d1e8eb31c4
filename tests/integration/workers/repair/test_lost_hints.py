"""Hints that the broker has lost are published again after two looks; a healthy backlog never is."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.moves import succeed
from gristmill.shared.queues import QUEUES
from gristmill.workers.celery.app import make_app
from gristmill.workers.loop import Stop
from gristmill.workers.relay.loop import Relay
from gristmill.workers.relay.publish import make_publisher
from gristmill.workers.repair import lost_hints
from gristmill.workers.repair.broker_depths import BrokerView
from gristmill.workers.repair.lost_hints import GRACE, LostHints, TokenBucket
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import begin, change, hints, post, post_many, reached, state
from tests.integration.workers.messages import connected, take

pytestmark = pytest.mark.timeout(300, method="thread")
DATA = "data_processing_queue"


@dataclass
class Loops:
    """A relay and the look for lost hints, on one broker."""

    relay: Relay
    view: BrokerView
    lost: LostHints


def loops_on(database: Database) -> Iterator[Loops]:
    app = make_app(database.settings)
    relay = Relay(database.settings, database, make_publisher(app, database.settings), Stop())
    view = BrokerView(app, database.settings)
    view.channel()  # declares the queues
    yield Loops(relay, view, LostHints(database, view.count_ready))
    relay.close()
    view.forget()


@pytest.fixture
def loops(database_url: str, broker_url: str) -> Iterator[Loops]:
    """Once on RabbitMQ and once on Valkey."""
    with reached(database_url, environment={"GRISTMILL_BROKER_URL": broker_url}) as database:
        yield from loops_on(database)


@pytest.fixture
def rabbit_loops(database_url: str, rabbitmq_url: str) -> Iterator[Loops]:
    with reached(database_url, environment={"GRISTMILL_BROKER_URL": rabbitmq_url}) as database:
        yield from loops_on(database)


def pass_time(database: Database, seconds: float) -> None:
    """Make everything older: only the database's clock decides."""
    shift = "- :seconds * interval '1 second'"
    change(
        database, f"UPDATE gristmill.jobs SET run_at = run_at {shift}, started_at = started_at {shift}", seconds=seconds
    )
    change(database, f"UPDATE gristmill.outbox SET due_at = due_at {shift}", seconds=seconds)


def publish_all(relay: Relay) -> None:
    while relay.publish_due():
        pass


def is_published(database: Database, loops: Loops) -> bool:
    publish_all(loops.relay)
    return not hints(database)


def ids_in(url: str) -> list[UUID]:
    return sorted(UUID(job_id) for _, body in take(url, DATA) for job_id in body[0][0])


def purge(url: str) -> None:
    take(url, DATA)


def test_hints_of_a_purged_queue_are_published_again_after_two_looks(
    database: Database, loops: Loops, broker_url: str
) -> None:
    jobs = post_many(database, 3, tasks.effect, key="k")
    publish_all(loops.relay)
    pass_time(database, GRACE + 1)
    purge(broker_url)
    assert [loops.lost.look(), loops.lost.look()] == [0, 3]
    publish_all(loops.relay)
    assert ids_in(broker_url) == jobs
    assert {state(database, job) for job in jobs} == {"queued"}


def test_a_queue_that_was_deleted_is_declared_anew_and_its_hints_are_published_again(
    database: Database, rabbit_loops: Loops, rabbitmq_url: str
) -> None:
    (job,) = post_many(database, 1, tasks.effect, key="k")
    publish_all(rabbit_loops.relay)
    pass_time(database, GRACE + 1)
    with connected(rabbitmq_url) as connection:
        connection.default_channel.queue_delete(DATA)  # type: ignore[attr-defined]  # kombu's stubs lack it
    assert [rabbit_loops.lost.look(), rabbit_loops.lost.look()] == [0, 1]
    publish_all(rabbit_loops.relay)
    assert ids_in(rabbitmq_url) == [job]


def test_hints_that_wait_in_their_queue_are_left_there_however_old_they_are(
    database: Database, loops: Loops, broker_url: str
) -> None:
    jobs = post_many(database, 50, tasks.effect, key="k")
    publish_all(loops.relay)
    for _ in range(6):
        pass_time(database, 300)
        assert loops.lost.look() == 0
    assert not hints(database)
    assert ids_in(broker_url) == jobs


def test_a_backlog_of_half_an_hour_and_a_slow_worker_lead_to_no_hint_published_again(
    database: Database, loops: Loops
) -> None:
    """Half an hour of jobs that take a minute each; producers go on, and somebody looks all the time."""
    backlog = post_many(database, 30, tasks.effect, key="k")
    publish_all(loops.relay)
    published_again = 0
    for minute in range(30):
        backlog += post_many(database, 2, tasks.effect, key="k")
        publish_all(loops.relay)
        (job,) = begin(database, backlog[minute])  # in the order of the queue, as a worker takes them
        published_again += loops.lost.look()
        pass_time(database, 60)
        published_again += loops.lost.look()
        with database.transaction() as session:
            assert succeed(session, [(job.id, job.attempt, None)])
    assert published_again == 0
    eventually(lambda: is_published(database, loops))  # the last ones wait for company


def test_a_job_is_published_again_when_others_that_came_half_a_minute_later_run_twice_seen(
    database: Database, loops: Loops
) -> None:
    lost = post(database, tasks.effect, key="k")
    publish_all(loops.relay)
    pass_time(database, 40)
    waiting, running = post(database, tasks.effect, key="k"), post(database, tasks.effect, key="k")
    publish_all(loops.relay)
    assert begin(database, running)
    assert [loops.lost.look(), loops.lost.look()] == [0, 1]
    assert [hint.job_id for hint in hints(database)] == [lost]
    assert state(database, waiting) == "queued"


def test_a_lost_hint_has_its_turn_when_all_before_it_are_published(
    database: Database, loops: Loops, broker_url: str
) -> None:
    """A relay that is behind would publish its new hint later still: what is due after its place is not looked at."""
    early = post(database, tasks.effect, key="k")
    pass_time(database, 60)
    lost = post(database, tasks.effect, key="k")
    change(database, "DELETE FROM gristmill.outbox WHERE job_id = :id", id=lost)
    pass_time(database, GRACE + 1)
    assert [loops.lost.look() for _ in range(3)] == [0, 0, 0]
    publish_all(loops.relay)
    assert [hint for _, body in take(broker_url, DATA) for hint in body[0][0]] == [str(early)]
    change(
        database,
        "UPDATE gristmill.jobs SET state = 'succeeded', finished_at = clock_timestamp() WHERE id = :id",
        id=early,
    )
    assert [loops.lost.look(), loops.lost.look()] == [0, 1]
    assert [hint.job_id for hint in hints(database)] == [lost]


def test_one_look_at_an_empty_queue_proves_nothing(database: Database, loops: Loops, broker_url: str) -> None:
    post(database, tasks.effect, key="k")
    publish_all(loops.relay)
    pass_time(database, GRACE + 1)
    (kept,) = take(broker_url, DATA)
    assert kept
    assert loops.lost.look() == 0
    loops.lost.forget()  # the broker was away in between
    assert [loops.lost.look(), loops.lost.look()] == [0, 1]


def test_a_job_that_was_tried_between_two_looks_is_no_suspect(
    database: Database, loops: Loops, broker_url: str
) -> None:
    job = post(database, tasks.effect, key="k")
    publish_all(loops.relay)
    pass_time(database, GRACE + 1)
    purge(broker_url)
    assert loops.lost.look() == 0
    change(database, "UPDATE gristmill.jobs SET attempt = attempt + 1")  # claimed, failed, and on its way again
    assert loops.lost.look() == 0
    assert loops.lost.look() == 1
    assert [hint.job_id for hint in hints(database)] == [job]


@pytest.mark.parametrize(
    "reason",
    ["it is due later", "it was due only just now", "its hint is in the outbox", "it runs"],
)
def test_jobs_that_need_no_hint_are_no_suspects(
    database: Database, loops: Loops, broker_url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = post(database, tasks.effect, key="k")
    if reason != "its hint is in the outbox":
        publish_all(loops.relay)
    if reason == "it is due later":
        change(
            database, "UPDATE gristmill.jobs SET run_at = clock_timestamp() + interval '1 hour', state = 'scheduled'"
        )
    elif reason == "it runs":
        begin(database, job)
    elif reason == "it was due only just now":
        monkeypatch.setattr(lost_hints, "GRACE", 3600)
    pass_time(database, 60)
    before = len(hints(database))
    purge(broker_url)
    assert [loops.lost.look() for _ in range(3)] == [0, 0, 0]
    assert len(hints(database)) == before


def test_two_that_look_side_by_side_write_one_hint(database: Database, loops: Loops, broker_url: str) -> None:
    post(database, tasks.effect, key="k")
    publish_all(loops.relay)
    pass_time(database, GRACE + 1)
    purge(broker_url)
    other = LostHints(database, loops.view.count_ready)
    assert [each.look() for each in (loops.lost, other, loops.lost, other)] == [0, 0, 1, 0]
    assert len(hints(database)) == 1


def test_no_more_hints_are_published_again_at_once_than_the_bucket_holds(
    database: Database, loops: Loops, broker_url: str
) -> None:
    post_many(database, 8, tasks.effect, key="k")
    publish_all(loops.relay)
    pass_time(database, GRACE + 1)
    purge(broker_url)
    now = [0.0]
    lost = LostHints(database, loops.view.count_ready, bucket=TokenBucket(rate=1, burst=5, clock=lambda: now[0]))
    lost.look()
    assert lost.look() == 5
    assert lost.look() == 0
    now[0] = 2
    assert lost.look() == 2
    now[0] = 60
    assert lost.look() == 1


@pytest.mark.parametrize(
    ("wanted", "granted"),
    [
        ([(0, 3), (0, 3)], [3, 2]),  # at once: the burst, and no more
        ([(0, 5), (0.4, 1)], [5, 0]),  # no whole token yet
        ([(0, 5), (0.5, 1)], [5, 1]),  # two a second
        ([(0, 5), (1, 9)], [5, 2]),
        ([(0, 5), (3600, 9)], [5, 5]),  # a long quiet time earns a burst, and no more
        ([(0, 0), (0, 5)], [0, 5]),
    ],
)
def test_a_token_bucket_lets_its_rate_pass_and_its_burst_at_once(
    wanted: list[tuple[float, int]], granted: list[int]
) -> None:
    now = [0.0]
    bucket = TokenBucket(rate=2, burst=5, clock=lambda: now[0])
    got = []
    for at, number in wanted:
        now[0] = at
        got.append(bucket.take(number))
    assert got == granted


def test_every_queue_is_counted(loops: Loops) -> None:
    assert loops.view.count_ready() == dict.fromkeys(QUEUES, 0)
