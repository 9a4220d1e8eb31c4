"""Private servers for the session, started when a test first needs them; a database and a vhost for each test.

A test may kill, stop or pause a server: whoever needs it next finds it up again.
"""

import itertools
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg2
import psycopg2.sql
import pytest
import redis
from hypothesis import HealthCheck, settings

from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import USER, Postgres
from gristmill.services.rabbitmq import INSTALL, RabbitMQ, find_rabbitmq
from gristmill.services.service import Service
from gristmill.services.valkey import DATABASES, Valkey
from tests.tested import Tested, tier_of

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

TESTS = Path(__file__).parent
TEMPLATE = "migrated"
Make = Callable[[type[Service]], Service]
# Folders with the longest files first, so that no process is left with one of them when the others are done.
LONGEST_FIRST = ("acceptance", "chaos", "crash", "model", "migrations", "integration", "unit")
START_SECONDS = 120  # below the time limit of a test, so that a server that does not start explains itself


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--note", action="store_true", help="write how a whole tier ended into docs/tested.md")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.note and not hasattr(config, "workerinput") and (tier := tier_of(config)) is not None:
        config.pluginmanager.register(Tested(tier))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders that hold the longest files; the order within a folder stays random."""
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(TESTS).parts[0]))


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A folder that the user `nobody` may pass through, as Postgres may have to run as it; each server's is private."""
    folder = Path(tempfile.mkdtemp(prefix="gristmill-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[Postgres]:
    server = Postgres(servers_folder / "postgres", durable=False)
    server.start(START_SECONDS)
    # A statement that names no schema finds no table: a search path belongs to the team.
    execute(server, "ALTER ROLE {} SET search_path = ''", USER)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[Valkey]:
    server = Valkey(servers_folder / "valkey")
    server.start(START_SECONDS)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server(servers_folder: Path) -> Iterator[RabbitMQ]:
    require_rabbitmq()
    server = RabbitMQ(servers_folder / "rabbitmq")
    server.start(START_SECONDS)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mailcatcher_server(servers_folder: Path) -> Iterator[MailCatcher]:
    server = MailCatcher(servers_folder / "mailcatcher")
    server.start(START_SECONDS)
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres_server: Postgres, migrated_template: str) -> Iterator[str]:
    """A database of this test's own, migrated; `postgresql://…`."""
    revive(postgres_server)
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres_server, "CREATE DATABASE {} TEMPLATE {}", name, migrated_template)
    yield postgres_server.url_of(name)
    revive(postgres_server)
    execute(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Postgres) -> str:
    """The name of the migrated database that each test gets a copy of."""
    from gristmill import migrations

    revive(postgres_server)
    execute(postgres_server, "CREATE DATABASE {}", TEMPLATE)
    migrations.upgrade(postgres_server.url_of(TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def fresh_valkey_url(valkey_server: Valkey) -> Callable[[], str]:
    """Return the URL of an empty Valkey database, each time another one (they come round after 63)."""
    numbers = itertools.cycle(range(1, DATABASES))

    def take() -> str:
        revive(valkey_server)
        url = valkey_server.url_of(next(numbers))
        with closing(redis.Redis.from_url(url)) as client:
            client.flushdb()
        return url

    return take


@pytest.fixture
def redis_url(fresh_valkey_url: Callable[[], str]) -> str:
    """An empty Valkey database of this test's own, for the cache and the limits; `redis://…`."""
    return fresh_valkey_url()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitMQ) -> Iterator[str]:
    """A RabbitMQ vhost of this test's own; `amqp://…`."""
    revive(rabbitmq_server)
    vhost = f"test_{uuid.uuid4().hex}"
    yield rabbitmq_server.create_vhost(vhost)
    revive(rabbitmq_server)
    rabbitmq_server.delete_vhost(vhost)


@pytest.fixture(params=["rabbitmq", "valkey"])
def broker_url(request: pytest.FixtureRequest) -> str:
    """A broker of this test's own: the test runs once with each kind."""
    if request.param == "rabbitmq":
        return str(request.getfixturevalue("rabbitmq_url"))
    return str(request.getfixturevalue("fresh_valkey_url")())


@pytest.fixture
def make(servers_folder: Path) -> Iterator[Make]:
    """Make services of this test's own, stopped after it."""
    made: list[Service] = []

    def make_one(kind: type[Service]) -> Service:
        if kind is RabbitMQ:
            require_rabbitmq()
        folder = servers_folder / f"own-{os.urandom(6).hex()}"
        service = kind(folder, durable=False) if issubclass(kind, Postgres) else kind(folder)
        made.append(service)
        return service

    yield make_one
    for service in made:
        service.stop()


@pytest.fixture
def mailcatcher(mailcatcher_server: MailCatcher) -> MailCatcher:
    """A mail catcher that has caught nothing yet."""
    revive(mailcatcher_server)
    httpx.delete(f"{mailcatcher_server.url}/mail", trust_env=False, timeout=60).raise_for_status()
    return mailcatcher_server


def require_rabbitmq() -> None:
    """Skip a test where RabbitMQ is not installed, except in CI: there it has to be, so it fails."""
    if find_rabbitmq() is None:
        if os.environ.get("CI"):
            pytest.fail(f"{INSTALL}; in CI it is required")
        pytest.skip(INSTALL)


def revive(server: Service) -> None:
    """Start a server again that a former test has ended, and let one go on that it has paused."""
    if server.is_running():
        server.resume()
    else:
        server.start(START_SECONDS)


def execute(server: Postgres, statement: str, *names: str) -> None:
    """Run one statement that no transaction may hold, with quoted names put in."""
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(psycopg2.sql.SQL(statement).format(*map(psycopg2.sql.Identifier, names)))
