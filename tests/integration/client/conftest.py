"""A real ingress for the clients, without anybody who runs the jobs; each test runs with both clients."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from gristmill import Client, ports
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from tests.cluster import Cluster, cluster
from tests.factories import own_database, reached
from tests.integration.client.adapter import Loop, make_adapted
from tests.integration.client.lines import Line

MakeClient = Callable[..., Client]


@dataclass
class Stored:
    """The jobs of the producer with this key, as they are in the database, oldest first."""

    database: Database
    key: str

    @property
    def rows(self) -> list[tuple[UUID, dict[str, Any]]]:
        query = text(
            "SELECT jobs.id, args FROM gristmill.jobs JOIN gristmill.api_keys USING (producer_id) "
            "WHERE api_keys.id = :key ORDER BY jobs.id"
        )
        with self.database.transaction() as session:
            return [(row.id, row.args) for row in session.execute(query, {"key": self.key.split("_")[1]})]

    @property
    def ids(self) -> list[str]:
        return [str(job_id) for job_id, _ in self.rows]

    @property
    def messages(self) -> list[str]:
        return [args["message"] for _, args in self.rows]


@pytest.fixture(scope="package")
def web(servers_folder: Path, postgres_server: Postgres, migrated_template: str) -> Iterator[tuple[Cluster, Database]]:
    with ExitStack() as stack:
        url = stack.enter_context(own_database(postgres_server, migrated_template))
        database = stack.enter_context(reached(url))
        made = stack.enter_context(cluster(servers_folder / f"client-{os.getpid()}", database.settings))
        made.web()
        yield made, database


@pytest.fixture
def ingress(web: tuple[Cluster, Database]) -> Cluster:
    web[0].up()
    return web[0]


@pytest.fixture
def key(web: tuple[Cluster, Database]) -> str:
    """The key of a new producer, who sees its own jobs only."""
    with web[1].transaction() as session:
        producer = create_producer(session, f"producer-{os.urandom(6).hex()}", ["jobs:read", "jobs:write"])
        return create_key(session, producer)


@pytest.fixture
def stored(web: tuple[Cluster, Database], key: str) -> Stored:
    return Stored(web[1], key)


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(params=["Client", "AsyncClient"])
def make(request: pytest.FixtureRequest, ingress: Cluster, key: str, loop: Loop) -> Iterator[MakeClient]:
    """Make clients of one kind, closed at the end."""
    with ExitStack() as stack:

        def make_client(url: str | None = None, api_key: str = key, **options: Any) -> Client:
            url = url or ingress.url
            if request.param == "Client":
                return stack.enter_context(Client(url, api_key, **options))
            return stack.enter_context(make_adapted(loop, url, api_key, **options))

        yield make_client


@pytest.fixture
def line(ingress: Cluster) -> Iterator[Line]:
    made = Line(ingress.port)
    yield made
    made.close()


@pytest.fixture
def nowhere() -> str:
    """A URL at which nobody answers."""
    return f"http://{ports.LOOPBACK}:{ports.free_port()}"
