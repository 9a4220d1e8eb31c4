"""A queue that is gone from the code while jobs wait in it: they are held, told, and run when it is declared again."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.operating.queries_queue_depths import list_depths
from gristmill.shared.operating.queries_undeclared_queues import list_undeclared_queues
from gristmill.shared.operating.why_waiting import explain_waiting
from gristmill.shared.queues import QUEUES, Queue
from gristmill.workers.celery.app import make_app
from gristmill.workers.loop import Stop
from gristmill.workers.relay.loop import Relay
from gristmill.workers.relay.publish import make_publisher
from tests.factories import change, find, post, reached
from tests.platform_tasks import echo

GONE = Queue("report_queue", "report.*")


@pytest.fixture
def relay(database_url: str, redis_url: str) -> Iterator[Relay]:
    with reached(database_url, environment={"GRISTMILL_BROKER_URL": redis_url}) as database:
        made = Relay(
            database.settings, database, make_publisher(make_app(database.settings), database.settings), Stop()
        )
        yield made
        made.close()


@pytest.fixture
def declared() -> Iterator[None]:
    QUEUES.add(GONE, "the test")
    yield
    QUEUES.remove(GONE.name)


def put_into(database: Database, queue: str) -> object:
    job = post(database, echo, message="m")
    change(database, "UPDATE gristmill.jobs SET queue = :queue", queue=queue)
    change(database, "UPDATE gristmill.outbox SET queue = :queue", queue=queue)
    return job


def count(database: Database, table: str) -> int:
    with database.transaction() as session:
        return int(session.execute(text(f"SELECT count(*) FROM gristmill.{table}")).scalar_one())


def test_its_hints_are_held_and_those_of_other_queues_go_on(database: Database, relay: Relay) -> None:
    put_into(database, GONE.name)
    post(database, echo, message="other")
    assert relay.publish_due() == 2
    assert (count(database, "outbox"), count(database, "held_hints")) == (0, 1)
    assert relay.release_held() == 0  # again and again: nothing declares it
    assert count(database, "held_hints") == 1


def test_it_is_listed_with_its_jobs_and_each_job_says_why_it_waits(database: Database, relay: Relay) -> None:
    job = put_into(database, GONE.name)
    relay.publish_due()
    with database.transaction() as session:
        assert list_undeclared_queues(session) == [GONE.name]
        (depth,) = [each for each in list_depths(session) if each.queue == GONE.name]
        assert depth.ready == 1
        reason = explain_waiting(session, find(database, job))  # type: ignore[arg-type]
    assert reason is not None
    assert reason.reason == "queue_undeclared"


def test_its_jobs_run_when_it_is_declared_again(
    database: Database, relay: Relay, request: pytest.FixtureRequest
) -> None:
    put_into(database, GONE.name)
    relay.publish_due()
    request.getfixturevalue("declared")
    assert relay.release_held() == 1
    assert (count(database, "outbox"), count(database, "held_hints")) == (1, 0)
    with database.transaction() as session:
        assert list_undeclared_queues(session) == []


def test_no_queue_is_undeclared_where_each_job_has_its_own(database: Database) -> None:
    post(database, echo, message=str(uuid7()))
    with database.transaction() as session:
        assert list_undeclared_queues(session) == []
