"""Who may do what: 401 without a good key, 403 without the scope, 404 for what is another's."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.ingress.access.key_checks import KeyChecks
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import ConflictError, InvalidError, NotFoundError
from gristmill.shared.producers.check_key import find_producer_by_token
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key, list_keys, revoke_key
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.people import signed_in
from tests.integration.ingress.rows import count

ECHO = {"task": "demo.echo", "args": {"message": "hello"}}


def test_without_a_good_key_there_is_no_way_in(client: FlaskClient, key: Headers, database: Database) -> None:
    token = key["Authorization"].removeprefix("Bearer ")
    for sent in (
        None,
        "",
        token,
        "Bearer",
        "Bearer ",
        "Basic " + token,
        "Bearer gm_000000000000_" + "a" * 43,
        f"Bearer {token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        f"Bearer {token}x",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5_000,
    ):
        headers = {"Authorization": sent} if sent is not None else {}
        answer = client.post("/api/v1/jobs", json=ECHO, headers=headers)
        assert answer.status_code == 401, sent
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert token not in answer.get_data(as_text=True)
    assert count(database) == 0


def test_the_scheme_is_read_without_regard_to_case(client: FlaskClient, key: Headers) -> None:
    headers = {"Authorization": key["Authorization"].replace("Bearer", "bearer")}
    assert client.post("/api/v1/jobs", json=ECHO, headers=headers).status_code == 202


def test_a_key_without_the_scope_is_told_which_one(client: FlaskClient, make_key: KeyMaker) -> None:
    reader, writer = make_key("jobs:read", name="reader"), make_key("jobs:write", name="writer")
    refused = client.post("/api/v1/jobs", json=ECHO, headers=reader)
    assert refused.status_code == 403
    assert refused.get_json()["error"]["details"] == {"missing_scope": "jobs:write"}
    assert "insufficient_scope" in refused.headers["WWW-Authenticate"]
    assert client.get("/api/v1/jobs", headers=writer).status_code == 403
    assert client.get("/api/v1/tasks", headers=writer).status_code == 200
    assert client.post("/api/v1/jobs", json=ECHO, headers=make_key("admin", name="admin")).status_code == 202


def test_the_key_is_looked_at_before_the_body(client: FlaskClient) -> None:
    assert client.post("/api/v1/jobs", data=b"{", content_type="text/plain").status_code == 401


def test_a_key_may_be_limited_to_some_tasks(client: FlaskClient, make_key: KeyMaker) -> None:
    limited = make_key("jobs:write", name="limited", allowed_tasks=["demo.effect"])
    refused = client.post("/api/v1/jobs", json=ECHO, headers=limited)
    assert refused.status_code == 403
    assert "demo.effect" in refused.get_json()["error"]["message"]
    allowed = {"task": "demo.effect", "args": {"key": "k"}}
    assert client.post("/api/v1/jobs", json=allowed, headers=limited).status_code == 202


def test_another_producers_job_is_not_there(client: FlaskClient, make_key: KeyMaker) -> None:
    scopes = ("jobs:read", "jobs:write")
    mine, other = make_key(*scopes, name="mine"), make_key(*scopes, name="other")
    admin = make_key("admin", name="admin")
    place = client.post("/api/v1/jobs", json=ECHO, headers=mine).headers["Location"]
    assert client.get(place, headers=mine).status_code == 200
    assert client.get(place, headers=other).status_code == 404
    assert client.get(place, headers=admin).status_code == 200
    assert len(client.get("/api/v1/jobs", headers=mine).get_json()["items"]) == 1
    assert client.get("/api/v1/jobs", headers=other).get_json()["items"] == []
    assert len(client.get("/api/v1/jobs", headers=admin).get_json()["items"]) == 1


def test_a_unique_key_of_another_producer_is_no_duplicate(client: FlaskClient, make_key: KeyMaker) -> None:
    body = ECHO | {"unique_key": "u"}
    for name in ("one", "two"):
        assert client.post("/api/v1/jobs", json=body, headers=make_key("jobs:write", name=name)).status_code == 202


def test_a_verified_key_costs_no_query_and_a_revoked_one_dies(database: Database) -> None:
    with database.transaction() as session:
        producer = create_producer(session, "p", ["jobs:read"])
        token = create_key(session, producer)
        key_id = list_keys(session, producer)[0].id
    remembering, forgetful = KeyChecks(database), KeyChecks(database, remembered=0)
    assert remembering.find(token) is not None
    assert forgetful.find(token) is not None
    with database.transaction() as session:
        revoke_key(session, key_id)
    assert remembering.find(token) is not None
    assert forgetful.find(token) is None
    with database.transaction() as session, pytest.raises(NotFoundError):
        revoke_key(session, key_id)


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE gristmill.api_keys SET revoked_at = now()",
        "UPDATE gristmill.api_keys SET expires_at = now() - interval '1 second'",
        "UPDATE gristmill.producers SET disabled_at = now()",
        "DELETE FROM gristmill.producers",
    ],
)
def test_a_key_that_has_ended_finds_nobody(database: Database, end: str) -> None:
    with database.transaction() as session:
        token = create_key(session, create_producer(session, "p", ["jobs:read"]))
    with database.transaction() as session:
        assert find_producer_by_token(session, token) is not None
        session.execute(text(end))
        assert find_producer_by_token(session, token) is None


def test_the_database_holds_no_token(database: Database) -> None:
    with database.transaction() as session:
        token = create_key(session, create_producer(session, "p", ["jobs:read"]))
        stored = str(session.execute(text("SELECT to_jsonb(api_keys)::text FROM gristmill.api_keys")).scalar_one())
    secret = token.split("_", 2)[2]
    assert secret not in stored
    assert secret.encode().hex() not in stored


def test_a_producer_is_refused_an_unknown_scope_and_a_name_that_is_taken(database: Database) -> None:
    with database.transaction() as session:
        create_producer(session, "p", ["jobs:read"])
        with pytest.raises(ConflictError, match="choose another"):
            create_producer(session, "p", ["jobs:read"])
        with pytest.raises(InvalidError, match="jobs:raed"):
            create_producer(session, "q", ["jobs:raed"])
        with pytest.raises(InvalidError):
            create_producer(session, "q", [])


def test_a_preflight_needs_no_key(app: Flask) -> None:
    assert app.test_client().options("/api/v1/jobs").status_code == 200


def test_a_role_decides_what_a_person_may_and_nobody_posts_jobs_without_a_key(
    client: FlaskClient, database: Database, make_key: KeyMaker
) -> None:
    who = {
        "producer": make_key("jobs:read", "jobs:write", name="theirs"),
        "other producer": make_key("jobs:read", "jobs:write", name="another"),
        "admin key": make_key("admin", name="root"),
        **{role: signed_in(client, database, role) for role in ("member", "operator", "admin")},
    }
    place = client.post("/api/v1/jobs", json=ECHO, headers=who["producer"]).headers["Location"]
    matrix = {
        ("GET", "/api/v1/users/me"): [403, 403, 403, 200, 200, 200],
        ("GET", place): [200, 404, 200, 403, 200, 200],
        ("GET", f"{place}/events"): [200, 404, 200, 403, 200, 200],
        ("GET", "/api/v1/jobs"): [200, 200, 200, 403, 200, 200],
        ("GET", "/api/v1/dead-letters"): [200, 200, 200, 403, 200, 200],
        ("GET", "/api/v1/queues"): [403, 403, 200, 403, 200, 200],
        ("GET", "/api/v1/schedules"): [403, 403, 200, 403, 200, 200],
        ("GET", "/api/v1/tasks"): [200, 200, 200, 403, 200, 200],
        ("GET", "/metrics"): [403, 403, 200, 403, 200, 200],
        ("GET", "/api/v1/producers"): [403, 403, 200, 403, 403, 200],
        ("POST", "/api/v1/jobs"): [202, 202, 202, 403, 403, 403],
        ("POST", "/api/v1/jobs/batch"): [202, 202, 202, 403, 403, 403],
        ("GET", "/api/v1/webhook-secret"): [200, 200, 200, 403, 403, 403],
        ("POST", "/api/v1/webhook-secret"): [201, 201, 201, 403, 403, 403],
        ("POST", f"{place}/cancel"): [200, 404, 200, 403, 200, 200],
    }
    bodies = {"/api/v1/jobs": ECHO, "/api/v1/jobs/batch": {"jobs": [ECHO]}}
    found = {
        (method, path): [
            client.open(path, method=method, json=bodies.get(path), headers=headers).status_code
            for headers in who.values()
        ]
        for method, path in matrix
    }
    assert found == matrix


def test_a_person_who_posts_a_job_is_told_to_use_a_key_and_a_key_to_sign_in(
    client: FlaskClient, database: Database, key: Headers
) -> None:
    posted = client.post("/api/v1/jobs", json=ECHO, headers=signed_in(client, database, "admin"))
    assert "API key" in posted.get_json()["error"]["message"]
    asked = client.get("/api/v1/users/me", headers=key)
    assert "auth/login" in asked.get_json()["error"]["message"]
    lacking = client.get("/api/v1/producers", headers=signed_in(client, database, "operator"))
    assert lacking.get_json()["error"]["details"] == {"missing_scope": "admin"}
    assert "The role operator lacks the scope admin" in lacking.get_json()["error"]["message"]
