"""Every named crash point, first and second hit: a real process dies there, another goes on, the ledger is exact."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ
from gristmill.shared.base.crashpoints import CRASH_POINTS
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from tests.cluster import Member, cluster
from tests.conftest import revive
from tests.crash.scenarios import SCENARIOS, Ledger, Scenario
from tests.crash.victims import DATA, KINDS, stand_still, victims
from tests.eventually import eventually
from tests.factories import own_database, reached

ROOT = Path(__file__).parents[2]
ROOMS = ("gristmill", "ingress", "workers", "tasks", "shared")
HITS = (1, 2)
NAMES = {"worker": DATA}  # where a member has another name than its kind

pytestmark = pytest.mark.timeout(600, method="thread")


def call_sites() -> set[str]:
    sources = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {name for source in sources for name in re.findall(r'crash_point\("([^"]+)"\)', source)}


def test_every_crash_point_is_in_the_code_and_has_its_scenario() -> None:
    assert call_sites() == set(CRASH_POINTS)
    assert SCENARIOS.keys() == set(CRASH_POINTS)


@pytest.fixture(scope="module")
def platform(
    servers_folder: Path,
    postgres_server: Postgres,
    migrated_template: str,
    rabbitmq_server: RabbitMQ,
    fresh_valkey_url: Callable[[], str],
) -> Iterator[Ledger]:
    """The rest of the platform, which lives through all of it; a twin of the victim stands still meanwhile."""
    revive(rabbitmq_server)
    vhost = f"crash_{uuid7().hex}"
    broker_url = rabbitmq_server.create_vhost(vhost)
    environment = {"GRISTMILL_BROKER_URL": broker_url, "GRISTMILL_REDIS_URL": fresh_valkey_url()}
    changes = {"GRISTMILL_LEASE": "1.5", "GRISTMILL_LOOK_INTERVAL": "1", "GRISTMILL_BEAT_POLL": "0.1"}
    with (
        own_database(postgres_server, migrated_template) as url,
        reached(url, environment=environment) as database,
        cluster(servers_folder / f"crash-{uuid7().hex}", database.settings, changes) as rest,
    ):
        for kind, (arguments, sign) in KINDS.items():
            rest.add(NAMES.get(kind, kind), *arguments, sign=sign)
        rest.up()
        with database.transaction() as session:
            producer = create_producer(session, "crash", ["admin"])
            headers = {"Authorization": f"Bearer {create_key(session, producer)}"}
        yield Ledger(database, rest, broker_url, headers)
    rabbitmq_server.delete_vhost(vhost)


@pytest.fixture
def ledger(platform: Ledger) -> Iterator[Ledger]:
    platform.cluster.up()
    yield Ledger(platform.database, platform.cluster, platform.broker_url, platform.headers)
    print(platform.cluster.tails)  # noqa: T201  seen when the test failed


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_process_that_dies_at_a_point_at_its_first_or_second_hit_leaves_the_ledger_exact(
    ledger: Ledger, point: str
) -> None:
    scenario = SCENARIOS[point]
    twin = ledger.cluster.members[NAMES.get(scenario.kind, scenario.kind)]
    with victims(ledger.cluster, scenario.kind, point, HITS) as doomed, at_rest(twin, scenario):

        def all_are_dead() -> bool:
            living = [victim for victim in doomed if victim.lives()]
            if living:
                scenario.poke(ledger, living)
            return not living

        eventually(all_are_dead, within=120, every=0.2)
    assert [victim.killed_itself for victim in doomed] == [True] * len(HITS)
    eventually(ledger.is_quiet, within=120, every=0.1)
    ledger.check()


def at_rest(twin: Member, scenario: Scenario) -> AbstractContextManager[None]:
    """Have the victims get everything; only a web has a port of its own and needs no rest of others."""
    return nullcontext() if scenario.kind == "web" else stand_still(twin)
