"""What the door refuses: with the right status, by name, and without a trace in the database."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from gristmill.shared.database.connect import Database
from tests.integration.ingress.conftest import Headers
from tests.integration.ingress.rows import everything_stored

NOTHING = {"jobs": 0, "outbox": 0, "idempotency_keys": 0}
ECHO = {"task": "demo.echo", "args": {"message": "hello"}}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"task": "no.such", "args": {}}, "task"),
        ({"task": "demo.echo", "args": {}}, "args.message"),
        ({"task": "demo.echo", "args": {"message": 5}}, "args.message"),
        ({"task": "demo.echo", "args": {"message": "x", "extra": 1}}, "args.extra"),
        ({"task": "demo.echo", "args": {"message": "x"}, "state": "dead"}, "state"),
        ({"args": {}}, "task"),
        ([], "body"),
        ("text", "body"),
        ({"task": "demo.echo", "args": {"message": "x"}, "run_at": "2999-01-01T00:00:00Z"}, "run_at"),
    ],
)
def test_what_does_not_fit_is_named_and_not_stored(
    client: FlaskClient, key: Headers, database: Database, body: Any, path: str
) -> None:
    answer = client.post("/api/v1/jobs", json=body, headers=key | {"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["details"]) == [path]
    assert everything_stored(database) == NOTHING


HOSTILE: list[tuple[int, bytes, str]] = [
    (400, b"", "application/json"),
    (400, b"{", "application/json"),
    (400, b'{"task": NaN}', "application/json"),
    (400, b'{"task": "demo.echo", "args": {"message": 1e999}}', "application/json"),
    (400, b'{"task": "demo.echo", "args": {"message": 123456789012345678901}}', "application/json"),
    (400, b'{"task": "demo.echo", "args": {"message": ' + b"7" * 5_000 + b"}}", "application/json"),
    (400, b'{"task": "demo.echo", "args": {"message": "\\u0000"}}', "application/json"),
    (400, b'{"task": "demo.echo", "args": {"\\u0000": "x"}}', "application/json"),
    (400, b'{"task": "demo.echo", "args": {"message": "\\ud800"}}', "application/json"),
    (400, b'{"task": "demo.echo", "args": {"message": "\xff\xfe"}}', "application/json"),
    (400, '{"task": "demo.echo"}'.encode("utf-16"), "application/json; charset=utf-16"),
    (400, b'{"args": ' * 5_000 + b"1" + b"}" * 5_000, "application/json"),
    (400, b"[" * 200_000, "application/json"),
    (415, b'{"task": "demo.echo"}', "text/plain"),
    (415, b'{"task": "demo.echo"}', "application/x-www-form-urlencoded"),
    (415, b'{"task": "demo.echo"}', "application/jsonx"),
    (415, b'{"task": "demo.echo"}', ""),
    (413, b'{"task": "' + b"x" * 300_000 + b'"}', "application/json"),
    (422, b'{"task": "demo.echo\\u2028", "args": {}}', "application/json"),
    (422, b"null", "application/json"),
    (422, b'{"task": {"$gt": ""}, "args": {}}', "application/json"),
]


def test_hostile_bodies_are_refused_one_by_one(client: FlaskClient, key: Headers, database: Database) -> None:
    for status, body, media_type in HOSTILE:
        answer = client.post("/api/v1/jobs", data=body, headers=key, content_type=media_type)
        assert answer.status_code == status, (body[:60], answer.get_data(as_text=True)[:300])
        assert answer.get_json()["error"]["message"]
    zipped = client.post("/api/v1/jobs", json=ECHO, headers=key | {"Content-Encoding": "gzip"})
    assert zipped.status_code == 415
    assert everything_stored(database) == NOTHING


def test_a_refused_query_is_named(client: FlaskClient, key: Headers) -> None:
    for query, path in {
        "limit=0": "limit",
        "limit=101": "limit",
        "limit=ten": "limit",
        "state=lost": "state",
        "queue=nowhere": "queue",
        "task=%00": "task",
        "tag=": "tag",
        "created_after=yesterday": "created_after",
        "cursor=!": "cursor",
        "cursor=AAAA": "cursor",
        "colour=red": "colour",
    }.items():
        answer = client.get(f"/api/v1/jobs?{query}", headers=key)
        assert answer.status_code == 422, query
        assert list(answer.get_json()["error"]["details"]) == [path]
    for query in ("created_after=0001-01-01T00:00:00%2B14:00", "created_before=9999-12-31T23:59:59-14:00", "tag=%F0"):
        assert client.get(f"/api/v1/jobs?{query}", headers=key).status_code == 200, query
