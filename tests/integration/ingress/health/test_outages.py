"""What is away is told, and jobs are accepted as long as Postgres is there."""

from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gristmill.ingress.app import create_app
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import Secret, Settings
from tests.eventually import eventually
from tests.integration.ingress.conftest import Headers
from tests.integration.ingress.rows import count

ECHO = {"task": "demo.echo", "args": {"message": "hello"}}
LATE = "no answer within 2 s"  # what a check is told of that a busy machine, or a silent server, holds up


def answered(client: FlaskClient, *checks: str, path: str = "/readyz") -> TestResponse:
    """Look until all of `checks` were answered in time, however the answer is."""

    def look() -> TestResponse | None:
        answer = client.get(path)
        found = answer.get_json()["checks"]
        return answer if all(found[name].get("cause") != LATE for name in checks) else None

    seen = eventually(look, within=60)
    assert seen is not None
    return seen


def test_a_job_is_accepted_while_there_is_no_broker(client: FlaskClient, key: Headers, database: Database) -> None:
    assert client.post("/api/v1/jobs", json=ECHO, headers=key).status_code == 202
    assert count(database) == count(database, "outbox") == 1


def test_without_broker_and_redis_it_is_degraded_and_still_ready(client: FlaskClient) -> None:
    for path in ("/readyz", "/ready"):
        answer = answered(client, "postgres", "migrations", "redis", "broker", path=path)
        assert answer.status_code == 200
        report = answer.get_json()
        assert report["status"] == "degraded"
        found = {name: check["status"] for name, check in report["checks"].items()}
        assert found == {"postgres": "ok", "migrations": "ok", "redis": "degraded", "broker": "degraded"}
        assert all(check["latency_ms"] >= 0 for check in report["checks"].values())


def test_with_everything_there_it_is_ready(settings: Settings, database: Database, redis_url: str) -> None:
    app = create_app(replace(settings, redis_url=Secret(redis_url), broker_url=Secret(redis_url)), database)
    eventually(lambda: app.test_client().get("/readyz").get_json()["status"] == "ready", within=60)


def test_a_schema_that_is_not_migrated_is_unready(settings: Settings, database: Database, client: FlaskClient) -> None:
    from sqlalchemy import text

    with database.transaction() as session:
        session.execute(text("UPDATE gristmill.alembic_version SET version_num = '0000'"))
    answer = answered(client, "postgres", "migrations")
    assert answer.status_code == 503
    assert "gristmill db upgrade" in answer.get_json()["checks"]["migrations"]["cause"]
    assert answer.get_json()["checks"]["postgres"]["status"] == "ok"


def test_without_postgres_it_says_so_and_comes_back(
    app: Flask, key: Headers, database: Database, postgres_server: Postgres
) -> None:
    client = app.test_client()
    assert client.post("/api/v1/jobs", json=ECHO, headers=key).status_code == 202
    postgres_server.kill()
    for headers in (key, {"Authorization": "Bearer gm_000000000000_" + "a" * 43}):
        answer = client.post("/api/v1/jobs", json=ECHO, headers=headers)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
        assert answer.get_json()["error"]["code"] == "PLATFORM_UNAVAILABLE_001"
    assert client.get("/api/v1/jobs", headers=key).status_code == 503
    assert client.get("/healthz").get_json() == client.get("/health").get_json() == {"status": "alive"}
    unready = client.get("/readyz")
    assert unready.status_code == 503
    assert unready.get_json()["status"] == "unready"
    assert unready.get_json()["error"]["code"] == "PLATFORM_UNAVAILABLE_001"
    assert set(unready.get_json()["checks"]) == {"postgres", "migrations", "redis", "broker"}
    assert "password" not in unready.get_data(as_text=True)
    postgres_server.start()
    eventually(lambda: client.post("/api/v1/jobs", json=ECHO, headers=key).status_code == 202, within=60)


def test_a_silent_postgres_does_not_hang_the_readiness(client: FlaskClient, postgres_server: Postgres) -> None:
    assert answered(client, "postgres", "migrations").status_code == 200
    postgres_server.pause()
    try:
        answer = answered(client, "broker")
        assert answer.status_code == 503
        checks = answer.get_json()["checks"]
        assert checks["postgres"]["cause"] == LATE
        assert checks["broker"]["cause"] == "ConnectionRefusedError"
    finally:
        postgres_server.resume()
    eventually(lambda: client.get("/readyz").status_code == 200, within=60)
