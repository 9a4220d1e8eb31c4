"""What Prometheus is told: of requests, of this process, and of the queues; also while a part is away."""

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gristmill.ingress.app import create_app
from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.operating.pause import pause_queue
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import Settings
from tests import platform_tasks as tasks
from tests.factories import post
from tests.integration.ingress.conftest import NOBODY_LISTENS, KeyMaker, with_other_database

Headers = dict[str, str]


@pytest.fixture
def headers(make_key: KeyMaker) -> Headers:
    return make_key("queues:read")


def told(client: FlaskClient, headers: Headers) -> dict[str, float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    lines = re.findall(r"^([a-z_]+(?:\{[^}]*\})?) ([0-9.e+-]+)$", answer.get_data(as_text=True), re.MULTILINE)
    return {name: float(value) for name, value in lines}


def test_requests_are_counted_by_route_and_status_and_never_by_path(client: FlaskClient, headers: Headers) -> None:
    for path in ("/api/v1/queues", "/api/v1/queues", "/api/v1/queues/email_queue", "/nowhere", "/else/where"):
        client.get(path, headers=headers)
    found = told(client, headers)
    count = 'gristmill_http_request_seconds_count{{method="{}",route="{}",status="{}"}}'
    assert found[count.format("GET", "/api/v1/queues", 200)] == 2
    assert found[count.format("GET", "/api/v1/queues/<name>", 200)] == 1
    assert found[count.format("any", "none", 404)] == 2


def test_queues_are_told_with_what_waits_and_whether_they_are_paused(
    client: FlaskClient, headers: Headers, database: Database
) -> None:
    for _ in range(3):
        post(database, tasks.echo, message="m")
    with database.transaction() as session:
        pause_queue(session, "email_queue", actor="test", reason="")
    found = told(client, headers)
    assert found['gristmill_queue_jobs{queue="data_processing_queue",state="ready"}'] == 3
    assert found['gristmill_queue_paused{queue="email_queue"}'] == 1
    assert found['gristmill_queue_paused{queue="user_queue"}'] == 0
    assert found["gristmill_database_up"] == 1
    assert found["process_resident_memory_bytes"] > 0


def test_a_rate_that_each_process_counts_by_itself_is_told(settings: Settings, database: Database) -> None:
    app = create_app(settings, database)  # its Valkey does not exist
    with database.transaction() as session:
        producer = create_producer(session, "limited", ["queues:read"], rate=100.0)
        limited = {"Authorization": f"Bearer {create_key(session, producer)}"}
    client = app.test_client()
    assert told(client, limited)["gristmill_limits_fallbacks_total"] == 1
    assert told(client, limited)["gristmill_limits_fallbacks_total"] == 2


def test_a_database_that_is_away_is_told_and_hides_nothing_else(
    settings: Settings, database: Database, headers: Headers
) -> None:
    away = with_other_database(settings, f"postgresql://nobody@127.0.0.1:{NOBODY_LISTENS}/none")
    app = create_app(replace(away, database_pool_size=2))
    good = create_app(settings, database)
    services_of(app).key_checks._known = services_of(good).key_checks._known  # verified while the database was there
    assert good.test_client().get("/api/v1/queues", headers=headers).status_code == 200
    found = told(app.test_client(), headers)
    assert found["gristmill_database_up"] == 0
    assert found['gristmill_held_requests{kind="wait"}'] == 0


def test_metrics_are_for_keys_that_may_see_the_queues(client: FlaskClient, make_key: KeyMaker) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=make_key("jobs:read")).status_code == 403
