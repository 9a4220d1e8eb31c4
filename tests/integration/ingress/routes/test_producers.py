"""Producers and their keys: made, changed, rotated and revoked by administrators only, each act on record."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from gristmill.ingress.access.access_rules import access_rule_of
from gristmill.ingress.services import services_of
from gristmill.shared.audit.queries import list_acts
from gristmill.shared.base.principal import ADMIN, OPERATOR, SCOPES
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.check_key import find_producer_by_token
from tests.factories import change

KeyMaker = Callable[..., dict[str, str]]
JOB = {"task": "demo.echo", "args": {"message": "m"}}


@pytest.fixture
def admin(make_key: KeyMaker) -> dict[str, str]:
    return make_key(ADMIN, name="root")


@pytest.fixture
def call(client: FlaskClient, app: Flask) -> Callable[..., Any]:
    """Ask the API; what its key ring remembers is forgotten first, as after some seconds."""

    def ask(method: str, path: str, headers: dict[str, str], body: Any = None) -> TestResponse:
        services_of(app).key_checks._known.clear()
        return client.open(f"/api/v1{path}", method=method, headers=headers, json=body)

    return ask


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def make(call: Callable[..., Any], admin: dict[str, str], **wanted: Any) -> tuple[str, str, dict[str, str]]:
    """Make a producer with a key: its id, its key's id, its headers."""
    body = {"name": "shop", "scopes": ["jobs:read", "jobs:write"], **wanted}
    made = call("POST", "/producers", admin, body)
    assert made.status_code == 201, made.json
    key = call("POST", f"/producers/{made.json['id']}/keys", admin)
    assert key.status_code == 201, key.json
    return made.json["id"], key.json["id"], bearer(key.json["token"])


def test_a_producer_is_made_gets_a_key_and_posts(
    call: Callable[..., Any], admin: dict[str, str], database: Database
) -> None:
    producer, key, headers = make(call, admin, allowed_tasks=["demo.echo"], quota=1)
    assert call("POST", "/jobs", headers, JOB).status_code == 202
    assert call("POST", "/jobs", headers, {"task": "demo.fail", "args": {"times": 0}}).status_code == 403
    assert call("POST", "/jobs", headers, JOB).json["error"]["code"] == "QUOTA_EXCEEDED_001"
    listed = call("GET", f"/producers/{producer}/keys", admin).json["items"]
    assert [one["id"] for one in listed] == [key]
    assert listed[0]["last_used_at"] is not None
    assert "token" not in listed[0]
    with database.transaction() as session:
        assert [act.action for act in list_acts(session, f"producer:{producer}")] == ["producer.create"]
        assert [act.action for act in list_acts(session, f"key:{key}")] == ["key.create"]


def test_producers_are_listed_by_name_page_by_page(call: Callable[..., Any], admin: dict[str, str]) -> None:
    for name in ("b", "a", "c"):
        make(call, admin, name=name)
    first = call("GET", "/producers?limit=2", admin).json
    rest = call("GET", f"/producers?limit=2&cursor={first['next_cursor']}", admin).json
    assert [one["name"] for one in first["items"] + rest["items"]] == ["a", "b", "c", "root"]
    assert rest["next_cursor"] is None


def test_a_rotated_key_goes_on_for_its_overlap_beside_the_new_one(
    call: Callable[..., Any], admin: dict[str, str], database: Database
) -> None:
    producer, key, old = make(call, admin)
    rotated = call("POST", f"/producers/{producer}/keys/{key}/rotate", admin, {"overlap": 3600})
    assert rotated.status_code == 201
    new = bearer(rotated.json["token"])
    assert [call("GET", "/jobs", headers).status_code for headers in (old, new)] == [200, 200]
    change(database, "UPDATE gristmill.api_keys SET expires_at = clock_timestamp() WHERE id = :id", id=key)
    assert [call("GET", "/jobs", headers).status_code for headers in (old, new)] == [401, 200]
    # An overlap never makes a key live longer than it was to.
    again = call("POST", f"/producers/{producer}/keys/{key}/rotate", admin)
    assert again.status_code == 201
    assert call("GET", "/jobs", old).status_code == 401


def test_a_revoked_key_is_worthless_and_is_not_rotated(call: Callable[..., Any], admin: dict[str, str]) -> None:
    producer, key, headers = make(call, admin)
    for _ in range(2):
        assert call("POST", f"/producers/{producer}/keys/{key}/revoke", admin).status_code == 200
    assert call("GET", "/jobs", headers).status_code == 401
    assert call("POST", f"/producers/{producer}/keys/{key}/rotate", admin).status_code == 409


def test_a_producer_is_disabled_and_enabled_again(call: Callable[..., Any], admin: dict[str, str]) -> None:
    producer, _, headers = make(call, admin)
    assert call("PATCH", f"/producers/{producer}", admin, {"enabled": False}).json["disabled_at"] is not None
    assert call("GET", "/jobs", headers).status_code == 401
    assert call("PATCH", f"/producers/{producer}", admin, {"enabled": True}).json["disabled_at"] is None
    assert call("GET", "/jobs", headers).status_code == 200


def test_a_producer_without_sight_of_payloads_sees_where_a_job_is_and_not_what_it_holds(
    call: Callable[..., Any], admin: dict[str, str]
) -> None:
    _, _, headers = make(call, admin, sees_payloads=False)
    posted = call("POST", "/jobs", headers | {"Prefer": "wait=0"}, JOB)
    shown = call("GET", f"/jobs/{posted.json['id']}", headers).json
    assert (shown["state"], shown["args"], shown["result"]) == ("queued", None, None)
    assert call("GET", f"/jobs/{posted.json['id']}", admin).json["args"] == {"message": "m"}


def test_the_last_good_admin_key_stays(call: Callable[..., Any], admin: dict[str, str], database: Database) -> None:
    with database.transaction() as session:
        me = find_producer_by_token(session, admin["Authorization"].split()[1])
        assert me is not None
    for method, path, body in (
        ("POST", f"/producers/{me.producer_id}/keys/{me.key_id}/revoke", None),
        ("PATCH", f"/producers/{me.producer_id}", {"enabled": False}),
        ("PATCH", f"/producers/{me.producer_id}", {"scopes": ["jobs:read"]}),
    ):
        answer = call(method, path, admin, body)
        assert (answer.status_code, "make another first" in answer.json["error"]["message"]) == (409, True)
        assert call("GET", "/producers", admin).status_code == 200
    call("POST", f"/producers/{me.producer_id}/keys", admin)
    assert call("POST", f"/producers/{me.producer_id}/keys/{me.key_id}/revoke", admin).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "shop"}, "scopes"),
        ({"name": "shop", "scopes": ["all"]}, "scopes.0"),
        ({"name": "", "scopes": ["jobs:read"]}, "name"),
        ({"name": "shop", "scopes": ["jobs:read"], "quota": 0}, "quota"),
        ({"name": "shop", "scopes": ["jobs:read"], "allowed_tasks": ["no.such"]}, "task"),
        ({"name": "shop", "scopes": ["jobs:read"], "power": 9000}, "power"),
    ],
)
def test_a_producer_that_could_not_be_is_refused_by_field(
    call: Callable[..., Any], admin: dict[str, str], body: dict[str, Any], field: str
) -> None:
    answer = call("POST", "/producers", admin, body)
    assert (answer.status_code, list(answer.json["error"]["details"])) == (422, [field])


def test_a_name_is_taken_once_and_what_is_not_there_is_not_found(
    call: Callable[..., Any], admin: dict[str, str]
) -> None:
    producer, key, _ = make(call, admin)
    other, _, _ = make(call, admin, name="other")
    nobody = UUID(int=7)
    assert call("POST", "/producers", admin, {"name": "shop", "scopes": ["jobs:read"]}).status_code == 409
    for path in (
        f"/producers/{nobody}/keys",
        f"/producers/{other}/keys/{key}/revoke",
        f"/producers/{producer}/keys/none/rotate",
    ):
        assert call("POST", path, admin).status_code == 404


def test_an_operator_sees_and_moves_everybodys_jobs_and_makes_no_key(
    call: Callable[..., Any], make_key: KeyMaker, admin: dict[str, str]
) -> None:
    _, _, headers = make(call, admin)
    operator = make_key(OPERATOR, name="night shift")
    job = call("POST", "/jobs", headers, JOB).json["id"]
    assert call("GET", f"/jobs/{job}", operator).status_code == 200
    assert call("POST", f"/jobs/{job}/cancel", operator).status_code == 200
    assert call("GET", "/queues", operator).status_code == 200
    assert call("GET", "/producers", operator).status_code == 403


def test_nothing_of_one_producer_reaches_another_over_any_route(
    app: Flask, call: Callable[..., Any], make_key: KeyMaker, database: Database
) -> None:
    """Each route is asked for what belongs to somebody else; one that this does not know how to ask fails."""
    mark = "marked-by-its-owner"
    owner = make_key("jobs:read", "jobs:write", "dead_letters:write", name=mark)
    stranger = make_key(*(SCOPES.keys() - {ADMIN, OPERATOR}), name="stranger")
    body = {"task": "demo.echo", "args": {"message": mark}, "tags": [mark], "unique_key": mark}
    job = call("POST", "/jobs", owner, body).json["id"]
    with database.transaction() as session:
        letter = session.execute(
            text(
                "INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, fingerprint, error_message) "
                "VALUES "
                "(gen_random_uuid(), :job, 'demo.echo', 'data_processing_queue', 'exhausted', 'f', :mark) RETURNING id"
            ),
            {"job": job, "mark": mark},
        ).scalar_one()
        mine = find_producer_by_token(session, owner["Authorization"].split()[1])
        assert mine is not None
    parts = {"job_id": job, "letter_id": letter, "producer_id": mine.producer_id, "key_id": mine.key_id}
    shared = {"name": "data_processing_queue"}  # queues and schedules are everybody's who has the scope
    own = {"task": "demo.echo", "args": {"message": "own"}, "unique_key": mark}
    marked = {"field": "tags", "contains": mark}
    theirs = {"where": {"or": [marked, {"not": {"not": marked}}]}}
    bodies: dict[str, Any] = {
        "/api/v1/jobs": own,
        "/api/v1/jobs/batch": {"jobs": [own]},
        f"/api/v1/dead-letters/{letter}/discard": {"reason": "none of mine"},
        "/api/v1/jobs/search": theirs,
        "/api/v1/jobs/count": theirs,
        "/api/v1/jobs/cancel": theirs,
        "/api/v1/dead-letters/search": theirs,
        "/api/v1/dead-letters/count": theirs,
        "/api/v1/dead-letters/redrive": theirs,
    }
    for rule in app.url_map.iter_rules():
        missing = rule.arguments - parts.keys() - shared.keys()
        assert not missing, f"{rule.rule}: say in `parts` what <{missing}> is, of the owner's"
        path = rule.rule
        for name, value in {**parts, **shared}.items():
            path = path.replace(f"<uuid:{name}>", str(value)).replace(f"<{name}>", str(value))
        if not path.startswith("/api/"):
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            sent = bodies.get(path) if method == "POST" else None
            answer = call(method, path.removeprefix("/api/v1"), stranger, sent)
            told = answer.get_data(as_text=True)
            assert answer.status_code < 500, (method, path, told)
            assert mark not in told, (method, path, told)
            if rule.arguments & parts.keys():
                assert answer.status_code in (403, 404), (method, path, answer.status_code)
            if "where" in (sent or {}):
                assert answer.status_code == 200, (method, path, told)
                assert answer.json.get("count", 0) == answer.json.get("matched", 0) == 0, (method, path, told)
            needs = access_rule_of(app, rule.endpoint)
            if needs is not None and not needs.is_public:
                assert call(method, path.removeprefix("/api/v1"), {}, sent).status_code == 401, (method, path)
    assert call("GET", f"/jobs/{job}", owner).json["state"] == "queued"
    assert call("GET", f"/dead-letters/{letter}", owner).json["resolution"] is None
