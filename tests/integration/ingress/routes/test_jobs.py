"""Jobs over HTTP: posted, shown, listed; and nothing stored of what is refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from gristmill.shared.database.connect import Database
from gristmill.shared.errors import TransientError
from gristmill.shared.jobs.failure import describe
from gristmill.shared.jobs.moves import claim, retry, succeed
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.rows import everything_stored

NOTHING = {"jobs": 0, "outbox": 0, "idempotency_keys": 0}
ECHO = {"task": "demo.echo", "args": {"message": "hello"}}


def post(client: FlaskClient, headers: Headers, body: dict[str, Any] | None = None, /, **more: str) -> TestResponse:
    return client.post("/api/v1/jobs", json=body or ECHO, headers=headers | more)


def test_a_posted_job_is_stored_with_its_hint(client: FlaskClient, key: Headers, database: Database) -> None:
    answer = post(client, key)
    assert answer.status_code == 202
    job = answer.get_json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert job["task"] == "demo.echo"
    assert job["state"] == "queued"
    assert job["run_at"].endswith("Z")
    assert "duplicate" not in job
    assert everything_stored(database) == {"jobs": 1, "outbox": 1, "idempotency_keys": 0}


def test_every_option_reaches_the_row(client: FlaskClient, key: Headers) -> None:
    assert client.post("/api/v1/webhook-secret", headers=key).status_code == 201
    run_at = datetime.now(UTC) + timedelta(hours=1)
    trace = "0af7651916cd43dd8448eb211c80319c"
    body = ECHO | {
        "run_at": run_at.isoformat(),
        "expires_at": (run_at + timedelta(hours=1)).isoformat(),
        "priority": "high",
        "max_attempts": 7,
        "unique_key": "u",
        "callback_url": "https://example.com/hook",
        "tags": ["red", "blue"],
    }
    posted = post(client, key, body, traceparent=f"00-{trace}-b7ad6b7169203331-01").get_json()
    shown = client.get(f"/api/v1/jobs/{posted['id']}", headers=key).get_json()
    assert shown["state"] == "scheduled"
    assert shown["queue"] == "priority_queue"
    assert datetime.fromisoformat(shown["run_at"]) == run_at
    assert datetime.fromisoformat(shown["expires_at"]) == run_at + timedelta(hours=1)
    expected = {"priority": "high", "max_attempts": 7, "unique_key": "u", "tags": ["red", "blue"], "trace_id": trace}
    assert {name: shown[name] for name in expected} == expected
    assert shown["callback_url"] == "https://example.com/hook"


def test_a_time_in_the_past_means_now(client: FlaskClient, key: Headers) -> None:
    job = post(client, key, ECHO | {"run_at": "2001-01-01T00:00:00Z"}).get_json()
    assert job["state"] == "queued"
    assert job["run_at"] == job["created_at"]


def test_a_time_of_any_offset_is_understood(client: FlaskClient, key: Headers) -> None:
    """RFC 3339 has offsets up to 23:59; Postgres itself takes less than 16 hours."""
    job = post(client, key, ECHO | {"run_at": "2001-01-02T00:00:00+23:59"}).get_json()
    assert job["state"] == "queued"
    for time, found in {
        "2413-01-03T00:16:32.9+16:30": 1,
        "2001-01-01T00:00:00-23:59": 0,
        "0001-01-01T00:00:00+23:59": 0,
        "9999-12-31T23:59:59-23:59": 1,
    }.items():
        answer = client.get("/api/v1/jobs", query_string={"created_before": time}, headers=key)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert len(answer.get_json()["items"]) == found


def test_a_delay_counts_from_the_databases_now(client: FlaskClient, key: Headers) -> None:
    job = post(client, key, ECHO | {"delay": 90}).get_json()
    assert job["state"] == "scheduled"
    waits = datetime.fromisoformat(job["run_at"]) - datetime.fromisoformat(job["created_at"])
    assert waits == timedelta(seconds=90)


def test_the_same_key_and_body_get_the_same_answer_again(client: FlaskClient, key: Headers, database: Database) -> None:
    first = post(client, key, **{"Idempotency-Key": "order-7"})
    shuffled = {"args": {"message": "hello"}, "task": "demo.echo"}
    again = post(client, key, shuffled, **{"Idempotency-Key": "order-7"})
    assert (again.status_code, again.get_json()) == (first.status_code, first.get_json())
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = post(client, key, {"task": "demo.echo", "args": {"message": "bye"}}, **{"Idempotency-Key": "order-7"})
    assert other.status_code == 422
    assert other.get_json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED_001"
    assert everything_stored(database) == {"jobs": 1, "outbox": 1, "idempotency_keys": 1}


def test_idempotency_keys_belong_to_their_producer(client: FlaskClient, make_key: KeyMaker) -> None:
    one, two = make_key("jobs:write", name="one"), make_key("jobs:write", name="two")
    ids = {post(client, headers, **{"Idempotency-Key": "k"}).get_json()["id"] for headers in (one, two)}
    assert len(ids) == 2


@pytest.mark.parametrize("sent", ["", "x" * 256, "two words", "\xe4"])
def test_an_idempotency_key_of_another_form_is_refused(
    client: FlaskClient, key: Headers, database: Database, sent: str
) -> None:
    assert post(client, key, **{"Idempotency-Key": sent}).status_code == 422
    assert everything_stored(database) == NOTHING


@pytest.mark.parametrize(
    ("body", "more"),
    [(ECHO, {"Idempotency-Key": "k"}), (ECHO | {"unique_key": "u"}, {})],
    ids=["idempotency key", "unique key"],
)
def test_twins_at_once_are_one_job(
    app: Flask, key: Headers, database: Database, body: dict[str, Any], more: Headers
) -> None:
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: post(app.test_client(), key, body, **more), range(24)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    firsts = [
        answer
        for answer in answers
        if "Idempotency-Replayed" not in answer.headers and "duplicate" not in answer.get_json()
    ]
    assert len(firsts) == 1
    assert everything_stored(database)["jobs"] == 1


def test_a_live_job_of_the_same_unique_key_is_answered_instead(client: FlaskClient, key: Headers) -> None:
    body = ECHO | {"unique_key": "one-at-a-time"}
    first, second = post(client, key, body), post(client, key, body)
    assert first.status_code == 202
    assert second.status_code == 200
    assert second.get_json() == first.get_json() | {"duplicate": True}


def test_a_job_tells_what_it_waits_for_and_where_that_was_read(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    def waiting(job_id: str) -> tuple[Any, Any]:
        shown = client.get(f"/api/v1/jobs/{job_id}", headers=key).get_json()
        return shown["waiting_for"], shown["waiting_evidence"]

    later = post(client, key, ECHO | {"delay": 3600}).get_json()
    told, evidence = waiting(later["id"])
    assert told.startswith(f"not due until {later['run_at'][:19]}")
    assert evidence == {"reason": "not_due", "run_at": later["run_at"]}
    job_id = post(client, key).get_json()["id"]
    assert waiting(job_id)[1] == {"reason": "no_relay", "last_seen_at": None}
    with database.transaction() as session:
        [claimed] = claim(session, [UUID(job_id)], worker="w1", lease=9)
    assert waiting(job_id)[0].startswith("runs on worker w1 since 20")
    with database.transaction() as session:
        assert succeed(session, [(claimed.id, claimed.attempt, None)])
    assert waiting(job_id) == (None, None)


def test_a_job_shows_every_attempt_and_its_result(
    client: FlaskClient, key: Headers, make_key: KeyMaker, database: Database
) -> None:
    job_id = post(client, key).get_json()["id"]
    with database.transaction() as session:
        [first] = claim(session, [UUID(job_id)], worker="w1", lease=9)
        failure = describe(TransientError("too early"), task="demo.echo")
        assert retry(session, first.id, 1, delay=timedelta(0), failure=failure)
    with database.transaction() as session:
        [second] = claim(session, [first.id], worker="w2", lease=9)
    running = client.get(f"/api/v1/jobs/{job_id}", headers=key).get_json()
    assert [(one["attempt"], one["outcome"]) for one in running["attempts"]] == [(1, "failed"), (2, "running")]
    with database.transaction() as session:
        assert succeed(session, [(second.id, 2, {"message": "hello"})]) == {second.id}
    shown = client.get(f"/api/v1/jobs/{job_id}", headers=key).get_json()
    assert [(one["attempt"], one["outcome"], one["worker"]) for one in shown["attempts"]] == [
        (1, "failed", "w1"),
        (2, "succeeded", "w2"),
    ]
    assert shown["attempts"][0]["error"]["message"] == "too early"
    assert "traceback" not in shown["attempts"][0]["error"]
    assert shown["attempts"][1]["ended_at"] == shown["finished_at"]
    assert shown["result"] == {"message": "hello"}
    as_admin = client.get(f"/api/v1/jobs/{job_id}", headers=make_key("admin", name="admin")).get_json()
    assert "TransientError" in as_admin["attempts"][0]["error"]["traceback"]


def test_secret_arguments_are_never_shown(client: FlaskClient, key: Headers, database: Database) -> None:
    args = {"email": "ada@example.com", "password": "Correct-Horse-7", "full_name": "Ada"}
    answer = post(client, key, {"task": "user.create", "args": args})
    assert answer.status_code == 202, answer.get_data(as_text=True)
    shown = client.get(answer.headers["Location"], headers=key).get_data(as_text=True)
    assert "Correct-Horse-7" not in shown
    assert "[sealed]" in shown
    with database.transaction() as session:
        assert "Correct-Horse-7" not in str(session.execute(text("SELECT args::text FROM gristmill.jobs")).scalar_one())


def test_a_parent_and_its_children_know_each_other(client: FlaskClient, key: Headers, database: Database) -> None:
    parent, child = (post(client, key).get_json()["id"] for _ in range(2))
    with database.transaction() as session:
        session.execute(text("UPDATE gristmill.jobs SET parent_id = :p WHERE id = :c"), {"p": parent, "c": child})
    assert client.get(f"/api/v1/jobs/{parent}", headers=key).get_json()["children"] == [child]
    assert client.get(f"/api/v1/jobs/{child}", headers=key).get_json()["parent"] == parent


def test_a_list_is_paged_newest_first_without_gaps(client: FlaskClient, key: Headers) -> None:
    posted = [post(client, key, ECHO | {"tags": [f"n{number % 2}"]}).get_json()["id"] for number in range(5)]
    seen: list[str] = []
    query = "limit=2"
    while query:
        page = client.get(f"/api/v1/jobs?{query}", headers=key).get_json()
        seen += [job["id"] for job in page["items"]]
        query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == posted[::-1]
    odd = client.get("/api/v1/jobs?tag=n1&state=queued&task=demo.echo", headers=key).get_json()["items"]
    assert [job["id"] for job in odd] == [posted[3], posted[1]]
    empty = client.get("/api/v1/jobs?state=dead", headers=key).get_json()
    assert empty == {"items": [], "next_cursor": None}


def test_an_unknown_job_is_not_found(client: FlaskClient, key: Headers) -> None:
    unknown = client.get("/api/v1/jobs/0198c0de-0000-7000-8000-000000000000", headers=key)
    assert unknown.status_code == 404
    assert unknown.get_json()["error"]["code"] == "JOB_NOT_FOUND_001"
    assert client.get("/api/v1/jobs/5", headers=key).status_code == 404


def test_tasks_are_listed_with_their_schema(client: FlaskClient, key: Headers) -> None:
    names = [task["name"] for task in client.get("/api/v1/tasks", headers=key).get_json()["items"]]
    assert "demo.echo" in names
    shown = client.get("/api/v1/tasks/demo.echo", headers=key).get_json()
    assert shown["args"]["required"] == ["message"]
    assert shown["retry"]["max_attempts"] == 3
    assert client.get("/api/v1/tasks/no.such", headers=key).status_code == 404


def test_demo_effects_are_counted(client: FlaskClient, key: Headers, database: Database) -> None:
    with database.transaction() as session:
        for _ in range(2):
            session.execute(
                text("INSERT INTO gristmill.demo_effects (key, job_id, attempt) VALUES ('k', gen_random_uuid(), 1)")
            )
    answer = client.get("/api/v1/demo/effects?key=k", headers=key).get_json()
    assert answer["count"] == len(answer["items"]) == 2
    assert client.get("/api/v1/demo/effects?key=other", headers=key).get_json()["count"] == 0
    assert client.get("/api/v1/demo/effects", headers=key).status_code == 422
