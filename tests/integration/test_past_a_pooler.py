"""Where a pooler gives each transaction another session, those who listen reach the database itself."""

from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from gristmill.ingress.following.followers import Followers
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import Secret
from gristmill.workers.celery.app import make_app
from gristmill.workers.loop import Stop
from gristmill.workers.relay.loop import Relay
from gristmill.workers.relay.publish import make_publisher
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import post, reached

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def somebody(database_url: str) -> Iterator[str]:
    """A user who may connect, by whom the server tells one way in from the other."""
    name = f"somebody_{uuid7().hex}"
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'direct'")
        yield name
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", (name,))
        cursor.execute(f"DROP ROLE {name}")


@pytest.fixture
def pooled(database_url: str, somebody: str) -> Iterator[Database]:
    """The database as behind a pooler, with the address of the database itself beside it."""
    parts = urlsplit(database_url)
    direct = urlunsplit(parts._replace(netloc=f"{somebody}:direct@{parts.hostname}:{parts.port}"))
    with reached(database_url, database_direct_url=Secret(direct)) as database:
        yield database


def users(database: Database, application: str) -> set[str]:
    query = text(
        "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND application_name = :application"
    )
    with database.transaction() as session:
        return set(session.scalars(query, {"application": application}))


def test_the_relay_hears_past_the_pooler(pooled: Database, somebody: str, redis_url: str) -> None:
    with reached(
        pooled.settings.database_url.reveal(),
        environment={"GRISTMILL_BROKER_URL": redis_url},
        database_direct_url=pooled.settings.database_direct_url,
    ) as database:
        relay = Relay(
            database.settings, database, make_publisher(make_app(database.settings), database.settings), Stop()
        )
        try:
            relay.tick()  # nothing is due: it listens
            assert users(pooled, "gristmill relay (listen)") == {somebody}
        finally:
            relay.close()


def test_who_waits_for_a_job_hears_past_the_pooler(pooled: Database, somebody: str) -> None:
    waiters = Followers(pooled, most=1, streams=1)
    with waiters.follow(post(pooled, tasks.echo, message="m")) as follower:
        assert follower is not None
        assert follower.listen(50)
        eventually(lambda: users(pooled, "gristmill web (listen)") == {somebody})
    waiters.close()
