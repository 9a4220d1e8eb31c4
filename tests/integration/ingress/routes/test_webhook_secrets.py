"""Secrets for callbacks: shown once, two at a time while one replaces the other; and what may be called back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from gristmill.ingress.app import create_app
from gristmill.ingress.services import services_of
from gristmill.shared.audit.queries import list_acts
from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import PermanentError
from gristmill.shared.producers.queries import find_producer
from gristmill.shared.producers.webhook_secrets import MOST, reveal_secrets
from gristmill.shared.settings import Settings
from tests.factories import change
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.rows import everything_stored

NOTHING = {"jobs": 0, "outbox": 0, "idempotency_keys": 0}
PLACE = "/api/v1/webhook-secret"
JOB = {"task": "demo.echo", "args": {"message": "m"}, "callback_url": "https://shop.example/hook"}


@pytest.fixture
def revealed(database: Database) -> Callable[[], list[str]]:
    """Return what the callbacks of `producer` are signed with."""

    def reveal() -> list[str]:
        with database.transaction() as session:
            producer = find_producer(session, "producer")
            assert producer is not None
            return reveal_secrets(session, producer.id)

    return reveal


def make(client: FlaskClient, key: Headers, **body: Any) -> str:
    answer = client.post(PLACE, headers=key, json=body) if body else client.post(PLACE, headers=key)
    assert answer.status_code == 201, answer.json
    return str(answer.get_json()["secret"])


def items(client: FlaskClient, key: Headers) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get(PLACE, headers=key).get_json()["items"]
    return listed


def test_a_secret_is_shown_once_and_stored_sealed(
    client: FlaskClient, key: Headers, database: Database, revealed: Callable[[], list[str]]
) -> None:
    secret = make(client, key)
    assert secret.startswith("whsec_")
    assert revealed() == [secret]
    (item,) = items(client, key)
    assert item.keys() == {"id", "created_at", "expires_at"}
    with database.transaction() as session:
        stored = str(
            session.execute(text("SELECT to_jsonb(webhook_secrets)::text FROM gristmill.webhook_secrets")).scalar_one()
        )
        logged = str(
            session.execute(text("SELECT jsonb_agg(to_jsonb(audit_log))::text FROM gristmill.audit_log")).scalar_one()
        )
    assert secret.removeprefix("whsec_") not in stored + logged


def test_a_secret_that_is_replaced_goes_on_for_its_overlap(
    client: FlaskClient, key: Headers, database: Database, revealed: Callable[[], list[str]]
) -> None:
    first = make(client, key)
    second = make(client, key, overlap=3600)
    assert revealed() == [second, first]
    assert [item["expires_at"] is None for item in items(client, key)] == [True, False]
    change(database, "UPDATE gristmill.webhook_secrets SET expires_at = clock_timestamp() WHERE expires_at IS NOT NULL")
    assert revealed() == [second]
    third = make(client, key, overlap=0)
    assert revealed() == [third]


def test_a_secret_whose_answer_was_lost_leaves_the_old_one_good_and_there_is_an_end_to_it(
    client: FlaskClient, key: Headers, revealed: Callable[[], list[str]]
) -> None:
    made = [make(client, key) for _ in range(MOST)]
    assert revealed() == made[::-1]
    refused = client.post(PLACE, headers=key)
    assert (refused.status_code, "DELETE" in refused.get_json()["error"]["message"]) == (409, True)
    assert revealed() == made[::-1]
    assert client.delete(PLACE, headers=key).get_json() == {"forgotten": MOST}
    assert revealed() == []
    assert client.delete(PLACE, headers=key).get_json() == {"forgotten": 0}


def test_a_secret_that_another_key_of_the_platform_sealed_is_told_and_replaced_at_once(
    client: FlaskClient, key: Headers, database: Database, revealed: Callable[[], list[str]]
) -> None:
    make(client, key)
    change(database, "UPDATE gristmill.webhook_secrets SET sealed = 'sealed by nobody we know'")
    with pytest.raises(PermanentError, match="make a new one"):
        revealed()
    new = make(client, key)
    assert revealed() == [new]


def test_an_administrator_does_the_same_for_anybody_and_each_act_is_on_record(
    client: FlaskClient, key: Headers, make_key: KeyMaker, database: Database
) -> None:
    admin = make_key(ADMIN, name="root")
    with database.transaction() as session:
        producer = find_producer(session, "producer")
        assert producer is not None
    place = f"/api/v1/producers/{producer.id}/webhook-secret"
    assert client.post(place, headers=key).status_code == 403
    assert client.post(place, headers=admin).status_code == 201
    assert len(client.get(place, headers=admin).get_json()["items"]) == len(items(client, key)) == 1
    assert client.delete(place, headers=admin).get_json() == {"forgotten": 1}
    with database.transaction() as session:
        acts = [(act.actor, act.action) for act in list_acts(session, f"producer:{producer.id}")]
    assert acts == [("root", "webhook_secret.forget"), ("root", "webhook_secret.make")]
    unknown = "/api/v1/producers/00000000-0000-7000-8000-000000000007/webhook-secret"
    for ask in (client.get, client.post, client.delete):
        assert ask(unknown, headers=admin).status_code == 404


def post(client: FlaskClient, key: Headers, **changes: Any) -> TestResponse:
    return client.post("/api/v1/jobs", headers=key, json=JOB | changes)


def test_a_callback_that_could_not_be_signed_is_refused_with_the_cure(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    refused = post(client, key)
    assert refused.status_code == 422
    assert "POST /api/v1/webhook-secret" in refused.get_json()["error"]["details"]["callback_url"][0]
    batch = client.post("/api/v1/jobs/batch", headers=key, json={"jobs": [JOB, JOB]}).get_json()
    assert ["callback_url" in each["error"]["details"] for each in batch["results"]] == [True, True]
    assert everything_stored(database) == NOTHING
    make(client, key)
    assert post(client, key).status_code == 202
    batch = client.post("/api/v1/jobs/batch", headers=key, json={"jobs": [JOB, JOB]}).get_json()
    assert ["id" in each for each in batch["results"]] == [True, True]


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "ftp://shop.example/hook",
        "shop.example/hook",
        "https://user:pass@shop.example/",
        "https://127.0.0.1/",
        "https://10.0.0.7/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://intern.localhost./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127\u30020\u30020\u30021/",
        "https://shop..example/",
        "https://shop.example/" + "x" * 2_048,
    ],
)
def test_a_url_that_must_not_be_called_is_refused_by_field(
    client: FlaskClient, key: Headers, database: Database, url: str
) -> None:
    make(client, key)
    refused = post(client, key, callback_url=url)
    assert (refused.status_code, list(refused.get_json()["error"]["details"])) == (422, ["callback_url"])
    assert everything_stored(database) == NOTHING


def test_what_is_refused_on_the_internet_is_taken_where_an_operator_allows_it(
    settings: Settings, database: Database, key: Headers
) -> None:
    allowed = replace(settings, allow_private_webhooks=True, allow_http_callbacks=True)
    app: Flask = create_app(allowed, database)
    client = app.test_client()
    make(client, key)
    for url in ("http://127.0.0.1:8080/hook", "http://localhost/"):
        assert post(client, key, callback_url=url).status_code == 202
    services_of(app).acceptor.close(within=10)
    services_of(app).batches.close(within=10)


def test_a_replay_is_answered_also_when_the_secret_is_gone(client: FlaskClient, key: Headers) -> None:
    make(client, key)
    once = key | {"Idempotency-Key": "k"}
    first = post(client, once)
    assert client.delete(PLACE, headers=key).status_code == 200
    again = post(client, once)
    assert (again.status_code, again.get_json()) == (first.status_code, first.get_json())
