"""Our workers as pytest-celery sees workers, and plain Celery on both ends of our messages."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu
import pytest
from pytest_celery import CeleryBrokerCluster, CeleryTestBroker, CeleryTestSetup, CeleryTestWorker, CeleryWorkerCluster
from uuid_utils.compat import uuid7

from gristmill.services.service import Service
from gristmill.shared.database.connect import Database
from gristmill.shared.states import State
from tests import platform_tasks as tasks
from tests.acceptance.local_nodes import broker_node, worker_node
from tests.cluster import Cluster, Member, cluster
from tests.eventually import eventually
from tests.factories import attempts, find, have_ended, hints, post, post_many, reached, states

QUEUE = "data_processing_queue"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def database(database_url: str, broker: tuple[Service, str], fresh_valkey_url: Callable[[], str]) -> Iterator[Database]:
    environment = {"GRISTMILL_BROKER_URL": broker[1], "GRISTMILL_REDIS_URL": fresh_valkey_url()}
    with reached(database_url, environment=environment) as database:
        yield database


@pytest.fixture
def members(database: Database, servers_folder: Path) -> Iterator[Cluster]:
    """A relay and a maintenance, beside which the nodes are put."""
    with cluster(servers_folder / f"nodes-{uuid7().hex}", database.settings) as made:
        made.relay()
        made.maintenance()
        made.up()
        yield made


@pytest.fixture
def celery_broker(broker: tuple[Service, str]) -> Iterator[CeleryTestBroker]:
    node = broker_node(*broker)
    yield node
    node.teardown()


@pytest.fixture
def celery_broker_cluster(celery_broker: CeleryTestBroker) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(celery_broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """Results live in Postgres."""


@pytest.fixture
def celery_backend_cluster_config() -> None:
    """The same."""


@pytest.fixture
def celery_worker_cluster(members: Cluster) -> Iterator[CeleryWorkerCluster]:
    """Two workers of ours."""
    pair = [members.worker(QUEUE, concurrency=1), twin_of(members)]
    nodes: list[CeleryTestWorker] = [worker_node(member) for member in pair]
    for member in pair:
        member.start()
    yield CeleryWorkerCluster(*nodes)
    for node in nodes:
        node.teardown()


def twin_of(members: Cluster) -> Member:
    return members.add("twin", "worker", "--queue", QUEUE, "--concurrency", "1")


def test_jobs_outlive_a_worker_of_the_cluster_and_a_plain_celery_may_post_hints(
    celery_setup: CeleryTestSetup, database: Database
) -> None:
    assert celery_setup.ready(docker=True)
    sleep = post(database, tasks.sleep, seconds=15)
    eventually(lambda: find(database, sleep).state == State.RUNNING)
    for worker in celery_setup.worker_cluster:
        worker.kill()
    jobs = post_many(database, 5, tasks.echo, message="m")
    for worker in celery_setup.worker_cluster:
        worker.restart()
        assert worker.ready()
    eventually(lambda: have_ended(database, sleep, *jobs), within=150)
    assert set(states(database, sleep, *jobs)) == {State.SUCCEEDED}
    assert {attempt.outcome for attempt in attempts(database, sleep)} == {"lost"}
    for _ in range(3):  # a stranger's doubles change nothing
        celery_setup.app.send_task("demo.echo", args=([str(jobs[0])],), queue=kombu.Queue(QUEUE, no_declare=True))
    last = post(database, tasks.echo, message="m")
    eventually(lambda: have_ended(database, last))
    assert [find(database, job).attempt for job in jobs] == [1] * 5


def test_a_plain_celery_worker_reads_our_messages(
    members: Cluster, database: Database, broker: tuple[Service, str]
) -> None:
    job = post(database, tasks.echo, message="m")
    eventually(lambda: not hints(database))
    arguments = ["-A", "tests.acceptance.plain_app", "worker", "-P", "solo", "-Q", QUEUE, "--loglevel", "INFO"]
    plain = members.add("plain", *arguments, sign=" ready.")
    plain.program = [sys.executable, "-m", "celery"]
    plain.env = {**plain.env, "PLAIN_BROKER_URL": broker[1]}
    plain.start()
    plain.wait_until_ready()
    eventually(lambda: f"came {job} with ['{job}'] by" in plain.output)
