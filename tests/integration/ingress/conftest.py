"""An app on a database of its own. Its broker does not exist: the ingress must not miss it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from gristmill.ingress.app import create_app
from gristmill.ingress.services import services_of
from gristmill.ports import free_port
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import create_producer, find_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import Secret, Settings, environment, load_settings
from tests.eventually import eventually

SERVE = (
    "from gristmill.ingress.serve import run; from gristmill.shared.settings import load_settings; "
    "run(load_settings(None))"
)
NOBODY_LISTENS = 1  # a port that needs root to listen on and that nobody uses

Headers = dict[str, str]
KeyMaker = Callable[..., Headers]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Settings:
    return settings_for(monkeypatch, database_url)


@contextmanager
def served(settings: Settings, program: str = SERVE) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield the real server, in a process of its own, and its URL."""
    chosen = replace(settings, port=free_port())
    process = subprocess.Popen([sys.executable, "-c", program], env=environment(chosen))
    url = f"http://127.0.0.1:{chosen.port}"
    try:
        eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200, within=60)
        yield process, url
    finally:
        process.kill()
        process.wait(timeout=60)


def settings_for(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Settings:
    """Return the settings of an app on this database, without a broker, Valkey or mail server."""
    for name, value in {
        "DATABASE_URL": database_url,
        "BROKER_URL": f"amqp://nobody:nothing@127.0.0.1:{NOBODY_LISTENS}/",
        "REDIS_URL": f"redis://127.0.0.1:{NOBODY_LISTENS}/0",
        "SMTP_URL": f"smtp://127.0.0.1:{NOBODY_LISTENS}",
        "SECRET_KEY": "k" * 32,
    }.items():
        monkeypatch.setenv(f"GRISTMILL_{name}", value)
    loaded = replace(load_settings(dotenv=None), demo_tasks=True, database_pool_size=20)
    return replace(loaded, lock_timeout=50.0, statement_timeout=100.0)  # a machine that stalls is no reason to give up


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings)
    yield database
    database.dispose()


@pytest.fixture
def app(settings: Settings, database: Database) -> Iterator[Flask]:
    app = create_app(settings, database)
    yield app
    services_of(app).acceptor.close(within=10)
    services_of(app).batches.close(within=10)
    services_of(app).keyed.close(within=10)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def make_key(database: Database) -> KeyMaker:
    """Return the headers of a new key: `make_key("jobs:read", name="reader")`."""

    def make(*scopes: str, name: str = "producer", allowed_tasks: list[str] | None = None) -> Headers:
        with database.transaction() as session:
            producer = find_producer(session, name) or create_producer(
                session, name, scopes, allowed_tasks=allowed_tasks
            )
            return {"Authorization": f"Bearer {create_key(session, producer)}"}

    return make


@pytest.fixture
def key(make_key: KeyMaker) -> Headers:
    """A key that posts and reads."""
    return make_key("jobs:read", "jobs:write")


def with_other_database(settings: Settings, url: str) -> Settings:
    return replace(settings, database_url=Secret(url))
