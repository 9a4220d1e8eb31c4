"""A real `gristmill web`, its server with the settings of the database, and a laptop with a URL and a key alone."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from gristmill import ports
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import environment
from tests.cluster import ROOT, Cluster, cluster
from tests.factories import own_database, reached
from tests.warm import process as warm

Answer = subprocess.CompletedProcess[str]


@dataclass
class Place:
    """A machine on which `gristmill …` is called: its whole environment and its working folder."""

    folder: Path
    env: dict[str, str]
    name: str = "server"
    changes: dict[str, str] = field(default_factory=dict)

    def call(self, *arguments: str, **env: str) -> Answer:
        return warm.run(arguments, cwd=self.folder, env={**self.env, **self.changes, **env})

    def says(self, *arguments: str, **env: str) -> str:
        """Call the command, which has to succeed, and return its standard output."""
        answer = self.call(*arguments, **env)
        assert answer.returncode == 0, f"gristmill {' '.join(arguments)}\n{answer.stdout}{answer.stderr}"
        return answer.stdout.strip()


@dataclass
class Web:
    """A platform whose ingress runs; `server` has its database, `laptop` its URL and a key of an operator."""

    cluster: Cluster
    database: Database
    server: Place
    laptop: Place

    def make_key(self, *scopes: str) -> str:
        with self.database.transaction() as session:
            producer = create_producer(session, f"producer-{uuid7().hex}", list(scopes))
            return create_key(session, producer)


@pytest.fixture(scope="module")
def web(
    servers_folder: Path, postgres_server: Postgres, migrated_template: str, fresh_valkey_url: Callable[[], str]
) -> Iterator[Web]:
    """A platform without workers: what is posted stays as a test has made it."""
    services = {
        "GRISTMILL_BROKER_URL": fresh_valkey_url(),
        "GRISTMILL_REDIS_URL": fresh_valkey_url(),
        "GRISTMILL_SMTP_URL": f"smtp://127.0.0.1:{ports.free_port()}",
    }
    with ExitStack() as stack:
        url = stack.enter_context(own_database(postgres_server, migrated_template))
        database = stack.enter_context(reached(url, environment=services))
        folder = servers_folder / f"operating-{uuid7().hex}"
        made = stack.enter_context(cluster(folder, database.settings))
        made.web()
        made.up()
        # The laptop has no other variable of ours, and both have an empty working folder.
        bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        settings = {**environment(database.settings), "GRISTMILL_DEMO_TASKS": "true"}
        server = Place(_empty(folder / "server"), {**bare, **settings, "HOME": str(folder / "server")})
        laptop = Place(_empty(folder / "laptop"), {**bare, "HOME": str(folder / "laptop")}, "laptop")
        yield_web = Web(made, database, server, laptop)
        laptop.env |= {"GRISTMILL_URL": made.url, "GRISTMILL_API_KEY": yield_web.make_key("admin")}
        yield yield_web


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(params=["server", "laptop"])
def place(request: pytest.FixtureRequest, web: Web) -> Place:
    """Both places, one after the other."""
    return web.server if request.param == "server" else web.laptop
