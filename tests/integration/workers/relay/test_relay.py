"""The relay between Postgres and a real broker: every hint that is due arrives, and none is lost with the broker."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gristmill.services.rabbitmq import RabbitMQ
from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.queues import QUEUES
from gristmill.workers.broker_errors import BROKER_AWAY, PublishError
from gristmill.workers.celery.app import make_app
from gristmill.workers.loop import Stop
from gristmill.workers.relay.bundling import SHARES
from gristmill.workers.relay.loop import Relay
from gristmill.workers.relay.publish import make_publisher
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import hints, post, post_many, reached
from tests.integration.workers.messages import count, take

MakeRelay = Callable[..., Relay]
DATA = "data_processing_queue"
PATIENCE = 5  # seconds that a broker may take to greet; all of them are near


@pytest.fixture
def make_relay(database_url: str) -> Iterator[MakeRelay]:
    """Make relays with a connection to Postgres each, as their processes have."""
    with contextlib.ExitStack() as stack:

        def make(broker_url: str, **changes: Any) -> Relay:
            environment = {"GRISTMILL_BROKER_URL": broker_url}
            database = stack.enter_context(reached(database_url, environment=environment, **changes))
            app = make_app(database.settings)
            app.conf.broker_connection_timeout = PATIENCE
            publisher = make_publisher(app, database.settings)
            made = Relay(database.settings, database, publisher, Stop())
            stack.callback(made.close)
            return made

        yield make


def publish_all(relay: Relay) -> int:
    """Publish what is due, and try again while RabbitMQ's young queues have no leader, as the relay's loop does."""
    published = []

    def publish() -> bool:
        with contextlib.suppress(*DATABASE_ERRORS, *BROKER_AWAY):
            while number := relay.publish_due():
                published.append(number)
            return True
        return False

    eventually(publish, within=60)
    return sum(published)


def test_a_hint_is_a_celery_message_of_protocol_2_with_the_ids_of_its_jobs(
    database: Database, make_relay: MakeRelay, broker_url: str
) -> None:
    job = post(database, tasks.echo, message="m")
    assert publish_all(make_relay(broker_url)) == 1
    ((headers, body),) = take(broker_url, DATA)
    assert (headers["task"], headers["id"], headers["argsrepr"]) == ("demo.echo", str(job), str(job))
    assert headers["timelimit"][0] == 45
    assert body[0] == [[str(job)]]
    assert not hints(database)


def test_hints_arrive_each_in_its_queue_and_urgent_ones_in_the_priority_queue(
    database: Database, make_relay: MakeRelay, broker_url: str
) -> None:
    user = post(database, "user.send_verification", user_id="0198c0de-0000-7000-8000-000000000000")
    high = post(database, tasks.echo, JobOptions(priority="high"), message="m")
    high_user = post(
        database, "user.send_verification", JobOptions(priority="high"), user_id="0198c0de-0000-7000-8000-000000000000"
    )
    assert publish_all(make_relay(broker_url)) == 3
    assert [headers["id"] for headers, _ in take(broker_url, "user_queue")] == [str(user)]
    assert [headers["id"] for headers, _ in take(broker_url, "priority_queue")] == [str(high), str(high_user)]


def test_a_backlog_travels_in_bundles(database: Database, make_relay: MakeRelay, broker_url: str) -> None:
    jobs = post_many(database, 250, tasks.echo, message="m")
    relay = make_relay(broker_url, relay_batch=100)
    assert publish_all(relay) == 250
    arrived = take(broker_url, DATA)
    # The first leave every worker process its share; by the second batch all have work.
    assert [len(body[0][0]) for _, body in arrived] == [12] * 8 + [4, 100, 50]
    assert [job for _, body in arrived for job in body[0][0]] == [str(job) for job in jobs]


def test_new_jobs_of_a_queue_with_a_backlog_wait_a_moment_for_company_and_hold_up_no_other_queue(
    database: Database, make_relay: MakeRelay, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_many(database, 9, tasks.fail, times=0)
    post(database, tasks.echo, message="m")
    relay = make_relay(broker_url)
    assert publish_all(relay) == 10
    monkeypatch.setattr("gristmill.workers.relay.backlog.REST", 50.0)
    monkeypatch.setattr("gristmill.workers.relay.backlog.AT_LEAST", 50.0)
    post(database, tasks.echo, message="it finds the queue deep")
    eventually(lambda: relay.publish_due() == 1)  # when the rest of the first ones is over
    company = post_many(database, 30, tasks.echo, message="m")
    urgent = post(database, tasks.echo, JobOptions(priority="high"), message="m")
    assert publish_all(relay) == 1
    assert [headers["id"] for headers, _ in take(broker_url, "priority_queue")] == [str(urgent)]
    assert len(hints(database)) == 30
    relay._backlog._deep[DATA] = 0.0  # the rest is over
    assert publish_all(relay) == 30
    *_, (_, body) = take(broker_url, DATA)
    assert body[0][0] == [str(job) for job in company]


def test_new_jobs_rest_no_longer_than_what_waits_before_them_takes(
    database: Database, make_relay: MakeRelay, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.workers.relay.backlog.REST", 5_000.0)
    monkeypatch.setattr("gristmill.workers.relay.backlog.AT_LEAST", 100.0)
    relay = make_relay(broker_url)
    post_many(database, SHARES * QUEUES[DATA].concurrency, tasks.fail, times=0)
    assert publish_all(relay) == SHARES * QUEUES[DATA].concurrency
    assert relay._backlog.pause == pytest.approx(SHARES * 100.0, abs=60.0)


def test_a_hint_that_is_not_due_stays(database: Database, make_relay: MakeRelay, broker_url: str) -> None:
    post(database, tasks.echo, JobOptions(delay=timedelta(hours=1)), message="m")
    assert publish_all(make_relay(broker_url)) == 0
    assert len(hints(database)) == 1


def test_two_relays_share_the_hints_and_double_none(database: Database, make_relay: MakeRelay, broker_url: str) -> None:
    jobs = post_many(database, 300, tasks.fail, times=0)
    relays = [make_relay(broker_url, relay_batch=10) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        numbers = list(pool.map(publish_all, relays))
    assert sum(numbers) == 300
    assert sorted(job for _, body in take(broker_url, DATA) for job in body[0][0]) == sorted(map(str, jobs))


def test_a_relay_that_waits_is_woken_by_the_commit_of_a_job(
    database: Database, make_relay: MakeRelay, broker_url: str
) -> None:
    relay = make_relay(broker_url, relay_poll=50.0)  # far beyond the patience of this test
    stop = relay._stop

    def run() -> None:
        while not stop.is_set:
            relay.tick()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run)
        try:
            eventually(lambda: somebody_listens(database))
            post(database, tasks.echo, message="m")
            eventually(lambda: not hints(database))
            post(database, tasks.echo, JobOptions(delay=timedelta(seconds=0.2)), message="it knows when it is due")
            post(database, tasks.echo, message="m")
            eventually(lambda: not hints(database))
        finally:
            stop.set()
        ended.result(60)


def somebody_listens(database: Database) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
    with database.transaction() as session:
        return bool(session.execute(query).scalar_one())


def test_hints_stay_while_there_is_no_queue_for_them(
    database: Database, make_relay: MakeRelay, rabbitmq_url: str, rabbitmq_server: RabbitMQ
) -> None:
    relay = make_relay(rabbitmq_url)
    publish_all(relay)  # declares the queues
    rabbitmq_server.api("DELETE", f"/api/queues/{rabbitmq_url.rsplit('/', 1)[1]}/{DATA}")
    post_many(database, 3, tasks.fail, times=0)
    with pytest.raises(PublishError, match="no queue of 'app_exchange' takes"):
        relay.publish_due()
    assert len(hints(database)) == 3
    assert publish_all(relay) == 3  # on a new connection, which declares them again
    assert count(rabbitmq_url, DATA) == 3


def test_hints_stay_while_the_queue_is_full(
    database: Database, make_relay: MakeRelay, rabbitmq_url: str, rabbitmq_server: RabbitMQ
) -> None:
    relay = make_relay(rabbitmq_url)
    publish_all(relay)
    policy = f"/api/policies/{rabbitmq_url.rsplit('/', 1)[1]}/full"
    rule = {"pattern": f"^{DATA}$", "definition": {"max-length": 1}, "apply-to": "queues"}
    rabbitmq_server.api("PUT", policy, rule)

    def is_refused() -> bool:
        post_many(database, 3, tasks.fail, times=0)
        try:
            relay.publish_due()
        except PublishError as error:
            return "it refused number" in error.message
        return False

    eventually(is_refused)
    waiting = len(hints(database))
    assert waiting
    rabbitmq_server.api("DELETE", policy)
    eventually(lambda: publish_all(relay) == waiting)


def test_a_broker_that_falls_silent_is_given_up_at_the_deadline_and_the_hints_stay(
    database: Database, make_relay: MakeRelay, rabbitmq_url: str, rabbitmq_server: RabbitMQ
) -> None:
    relay = make_relay(rabbitmq_url, publish_timeout=0.5)
    publish_all(relay)
    post_many(database, 3, tasks.fail, times=0)
    rabbitmq_server.pause()
    with pytest.raises(PublishError, match=r"not confirmed within 0.5 s"):
        relay.publish_due()
    with pytest.raises(BROKER_AWAY):  # it has thrown the connection away, and gets no other one
        relay.publish_due()
    assert len(hints(database)) == 3
    rabbitmq_server.resume()
    assert publish_all(relay) == 3
    assert not hints(database)


def test_a_broker_that_is_killed_in_the_middle_loses_no_hint(
    database: Database, make_relay: MakeRelay, rabbitmq_url: str, rabbitmq_server: RabbitMQ
) -> None:
    relay = make_relay(rabbitmq_url, publish_timeout=50.0)
    first, second = post_many(database, 20, tasks.sleep, seconds=0), []  # may run long: one a hint, and it never rests
    publish_all(relay)
    second = post_many(database, 20, tasks.sleep, seconds=0)
    rabbitmq_server.pause()  # so that the middle lasts
    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(relay.publish_due)
        eventually(lambda: all_are_taken(database))
        rabbitmq_server.kill()
        with pytest.raises(BROKER_AWAY):
            publishing.result(60)
    assert len(hints(database)) == 20
    rabbitmq_server.start(120)
    publish_all(relay)
    assert not hints(database)
    ids = {headers["id"] for headers, _ in take(rabbitmq_url, DATA)}
    assert ids == {str(job) for job in first + second}


def all_are_taken(database: Database) -> bool:
    """Say whether a transaction that has not ended deleted all hints."""
    with database.transaction() as session:
        return not session.execute(text("SELECT 1 FROM gristmill.outbox WHERE xmax = 0")).all()


def test_hints_stay_while_there_is_no_broker(database: Database, make_relay: MakeRelay) -> None:
    post(database, tasks.echo, message="m")
    for nowhere in ("amqp://guest:guest@127.0.0.1:1//", "redis://127.0.0.1:1/0"):
        with pytest.raises(BROKER_AWAY):
            make_relay(nowhere, publish_timeout=1.0).publish_due()
    assert len(hints(database)) == 1


def test_a_hint_is_published_again_when_the_database_forgets_that_it_was(
    database: Database, make_relay: MakeRelay, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = make_relay(broker_url)
    job = post(database, tasks.echo, message="m")
    published = threading.Event()
    publish = relay._publisher.publish

    def publish_and_die(messages: Any) -> None:
        publish(messages)
        published.set()
        raise OSError

    monkeypatch.setattr(relay._publisher, "publish", publish_and_die)
    with pytest.raises(OSError):  # noqa: PT011  its kind is all there is
        relay.publish_due()
    monkeypatch.undo()
    assert published.is_set()
    assert publish_all(relay) == 1
    assert [headers["id"] for headers, _ in take(broker_url, DATA)] == [str(job), str(job)]
