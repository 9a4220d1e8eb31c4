"""Whole platforms of real processes, once a module and broker; each test finds all of it up again."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from uuid_utils.compat import uuid7

from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ
from gristmill.services.service import Service
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from tests.cluster import Cluster, cluster
from tests.conftest import revive
from tests.factories import own_database, reached

# Locks may be waited for on a busy machine; the receivers of callbacks are this machine.
CHANGES = {
    "GRISTMILL_LOCK_TIMEOUT": "50",
    "GRISTMILL_ALLOW_PRIVATE_WEBHOOKS": "true",
    "GRISTMILL_ALLOW_HTTP_CALLBACKS": "true",
}


@dataclass
class Mill:
    """A platform: its processes, its database as a test reaches it, the servers it stands on."""

    cluster: Cluster
    database: Database
    broker: Service
    broker_url: str
    servers: list[Service]

    def up(self) -> None:
        """Bring back whatever a former test has ended."""
        for server in self.servers:
            revive(server)
        self.cluster.up()

    def make_key(self) -> dict[str, str]:
        """Return the headers of a producer that may do everything."""
        with self.database.transaction() as session:
            producer = create_producer(session, f"producer-{uuid7().hex}", ["admin"])
            return {"Authorization": f"Bearer {create_key(session, producer)}"}


@pytest.fixture(scope="module", params=["rabbitmq", "valkey"])
def broker(request: pytest.FixtureRequest, fresh_valkey_url: Callable[[], str]) -> Iterator[tuple[Service, str]]:
    """A broker for all tests of a module, which runs once with each kind."""
    if request.param == "valkey":
        yield request.getfixturevalue("valkey_server"), fresh_valkey_url()
        return
    with own_vhost(request.getfixturevalue("rabbitmq_server")) as url:
        yield request.getfixturevalue("rabbitmq_server"), url


@contextmanager
def own_vhost(server: RabbitMQ) -> Iterator[str]:
    revive(server)
    name = f"module_{uuid7().hex}"
    yield server.create_vhost(name)
    revive(server)
    server.delete_vhost(name)


class MakeMill(Protocol):
    """Makes a platform on a broker, with further variables of its environment."""

    def __call__(self, server: Service, url: str, **changes: str) -> Mill: ...


# A lease that no stall of the machine outlasts, for what is not about workers that are lost.
LONG_LEASE = "60"


@pytest.fixture(scope="module")
def make_mill(
    servers_folder: Path,
    postgres_server: Postgres,
    mailcatcher_server: MailCatcher,
    migrated_template: str,
    fresh_valkey_url: Callable[[], str],
) -> Iterator[MakeMill]:
    """Make platforms without members for the tests of a module."""
    with ExitStack() as stack:

        def make(server: Service, url: str, **changes: str) -> Mill:
            environment = {
                "GRISTMILL_BROKER_URL": url,
                "GRISTMILL_REDIS_URL": fresh_valkey_url(),
                "GRISTMILL_SMTP_URL": mailcatcher_server.smtp_url,
            }
            database_url = stack.enter_context(own_database(postgres_server, migrated_template))
            database = stack.enter_context(reached(database_url, environment=environment))
            folder = servers_folder / f"cluster-{uuid7().hex}"
            made = stack.enter_context(cluster(folder, database.settings, CHANGES | changes))
            return Mill(made, database, server, url, [postgres_server, server, mailcatcher_server])

        yield make
