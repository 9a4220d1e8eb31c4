"""Dead letters over HTTP: found, understood, redriven and discarded, each by whom it concerns."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.shared.database.connect import Database
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.dead import PLACE, audited, make_dead, make_malformed

SCOPES = ("jobs:read", "jobs:write", "dead_letters:write")
ERROR = {"type": "TransientError", "code": "SMTP_451", "message": "server said 451"}


@pytest.fixture
def operator(make_key: KeyMaker) -> Headers:
    return make_key(*SCOPES, name="operator")


@pytest.fixture
def admin(make_key: KeyMaker) -> Headers:
    return make_key("admin", name="admin")


def listed(client: FlaskClient, headers: Headers, query: str = "") -> list[str]:
    return [item["id"] for item in client.get(f"{PLACE}{query}", headers=headers).get_json()["items"]]


def stored(database: Database, job_id: str) -> dict[str, Any]:
    with database.transaction() as session:
        query = text("SELECT state, args, attempt, max_attempts FROM gristmill.jobs WHERE id = :id")
        return dict(session.execute(query, {"id": job_id}).mappings().one())


def test_a_dead_letter_is_listed_with_its_error_and_shown_with_its_evidence(
    client: FlaskClient, operator: Headers, admin: Headers, database: Database
) -> None:
    job_id, letter = make_dead(client, operator, database)
    [item] = client.get(PLACE, headers=operator).get_json()["items"]
    assert item["id"] == letter
    assert (item["job_id"], item["task"], item["reason"], item["attempt"]) == (job_id, "demo.echo", "exhausted", 1)
    assert item["error"] == ERROR
    assert item["resolution"] is None
    shown = client.get(f"{PLACE}/{letter}", headers=operator).get_json()
    assert [(one["attempt"], one["error"]) for one in shown["attempts"]] == [(1, ERROR)]
    assert "traceback" not in shown["error"]
    assert "TransientError" in client.get(f"{PLACE}/{letter}", headers=admin).get_json()["error"]["traceback"]


def test_letters_are_filtered_and_paged(client: FlaskClient, operator: Headers, database: Database) -> None:
    letters = [make_dead(client, operator, database)[1] for _ in range(3)]
    effect = make_dead(client, operator, database, task="demo.effect", args={"key": "k"})[1]
    assert listed(client, operator) == [effect, *reversed(letters)]
    assert listed(client, operator, "?task=demo.effect") == [effect]
    assert listed(client, operator, "?queue=email_queue") == []
    assert listed(client, operator, "?reason=expired") == []
    assert listed(client, operator, "?resolution=redriven") == []
    first = client.get(f"{PLACE}?limit=3", headers=operator).get_json()
    assert [item["id"] for item in first["items"]] == [effect, letters[2], letters[1]]
    rest = client.get(f"{PLACE}?limit=3&cursor={first['next_cursor']}", headers=operator).get_json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([letters[0]], None)
    assert client.get(f"{PLACE}?reason=bad_luck", headers=operator).status_code == 422
    assert client.get(f"{PLACE}?cursor={'A' * 22}", headers=operator).status_code == 422


def test_equal_failures_are_one_group(client: FlaskClient, operator: Headers, database: Database) -> None:
    letters = [make_dead(client, operator, database)[1] for _ in range(3)]
    make_dead(client, operator, database, task="demo.effect", args={"key": "k"})
    groups = client.get(f"{PLACE}/groups", headers=operator).get_json()["items"]
    assert [(group["task"], group["count"]) for group in groups] == [("demo.echo", 3), ("demo.effect", 1)]
    assert groups[0]["sample"]["id"] == letters[2]
    assert groups[0]["sample"]["error"] == ERROR
    assert groups[0]["first_seen"] < groups[0]["last_seen"]
    same = listed(client, operator, f"?task=demo.echo&fingerprint={groups[0]['fingerprint']}")
    assert same == list(reversed(letters))


def test_a_message_that_never_was_a_job_is_the_admins_with_its_body_and_death(
    client: FlaskClient, operator: Headers, admin: Headers, database: Database
) -> None:
    letter = make_malformed(database, b"\x80\x02}q\x00. hello")
    assert listed(client, operator) == []
    assert client.get(f"{PLACE}/{letter}", headers=operator).status_code == 404
    shown = client.get(f"{PLACE}/{letter}", headers=admin).get_json()
    assert base64.b64decode(shown["raw_body"]["base64"]) == b"\x80\x02}q\x00. hello"
    assert shown["raw_body"]["excerpt"] == "\ufffd\ufffd}q\ufffd. hello"
    assert (shown["raw_body"]["bytes"], shown["job_id"], shown["attempts"]) == (12, None, [])
    assert shown["broker"] == {"x-death": [{"reason": "rejected"}]}
    refused = client.post(f"{PLACE}/{letter}/redrive", headers=admin)
    assert refused.status_code == 409
    assert "discard it" in refused.get_json()["error"]["message"]
    assert client.post(f"{PLACE}/{letter}/discard", json={"reason": "junk"}, headers=admin).status_code == 200


def test_a_redriven_job_waits_again_and_a_second_redrive_is_a_conflict(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    job_id, letter = make_dead(client, operator, database)
    answer = client.post(f"{PLACE}/{letter}/redrive", headers=operator)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{job_id}"
    job = answer.get_json()
    assert (job["id"], job["state"], job["attempt"], job["max_attempts"]) == (job_id, "queued", 1, 4)
    again = client.post(f"{PLACE}/{letter}/redrive", json={}, headers=operator)
    assert again.status_code == 409
    assert "redriven on" in again.get_json()["error"]["message"]
    shown = client.get(f"{PLACE}/{letter}", headers=operator).get_json()
    assert (shown["resolution"], shown["resolved_by"], shown["resolved_at"] is not None) == (
        "redriven",
        "operator",
        True,
    )
    assert listed(client, operator) == []
    assert audited(database) == [("operator", "dead_letter.redrive")]


def test_redrives_at_once_are_one(app: Flask, operator: Headers, database: Database) -> None:
    _, letter = make_dead(app.test_client(), operator, database)
    with ThreadPoolExecutor(6) as threads:
        asked = threads.map(lambda _: app.test_client().post(f"{PLACE}/{letter}/redrive", headers=operator), range(6))
        assert sorted(answer.status_code for answer in asked) == [202] + [409] * 5
    assert audited(database) == [("operator", "dead_letter.redrive")]


def test_corrected_arguments_that_do_not_fit_change_nothing(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    job_id, letter = make_dead(client, operator, database)
    before = stored(database, job_id)
    refused = client.post(f"{PLACE}/{letter}/redrive", json={"args": {"message": 7}}, headers=operator)
    assert refused.status_code == 422
    assert list(refused.get_json()["error"]["details"]) == ["args.message"]
    assert stored(database, job_id) == before
    assert listed(client, operator) == [letter]
    assert audited(database) == []
    answer = client.post(f"{PLACE}/{letter}/redrive", json={"args": {"message": "bye"}}, headers=operator)
    assert answer.status_code == 202
    assert stored(database, job_id)["args"] == {"message": "bye"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400),
        ({"data": b"", "content_type": "application/json"}, 400),
        ({"data": b"args=1", "content_type": "text/plain"}, 415),
        ({"json": {"colour": "red"}}, 422),
        ({"json": {"args": [1]}}, 422),
    ],
)
def test_a_body_may_be_left_out_but_not_be_wrong(
    client: FlaskClient, operator: Headers, database: Database, sent: dict[str, Any], status: int
) -> None:
    _, letter = make_dead(client, operator, database)
    assert client.post(f"{PLACE}/{letter}/redrive", headers=operator, **sent).status_code == status
    assert listed(client, operator) == [letter]


def test_a_live_twin_refuses_the_redrive(client: FlaskClient, operator: Headers, database: Database) -> None:
    _, letter = make_dead(client, operator, database, unique_key="u")
    body = {"task": "demo.echo", "args": {"message": "x"}, "unique_key": "u"}
    assert client.post("/api/v1/jobs", json=body, headers=operator).status_code == 202
    refused = client.post(f"{PLACE}/{letter}/redrive", headers=operator)
    assert refused.status_code == 409
    assert "unique key" in refused.get_json()["error"]["message"]


def test_a_key_limited_to_some_tasks_gives_no_other_task_new_arguments(
    client: FlaskClient, make_key: KeyMaker, database: Database
) -> None:
    _, letter = make_dead(client, make_key(*SCOPES, name="shop"), database)
    with database.transaction() as session:
        session.execute(text("UPDATE gristmill.producers SET allowed_tasks = '{demo.effect}'"))
    limited = make_key(*SCOPES, name="shop")
    new = {"args": {"message": "x"}}
    assert client.post(f"{PLACE}/{letter}/redrive", json=new, headers=limited).status_code == 403
    assert client.post(f"{PLACE}/{letter}/redrive", headers=limited).status_code == 202


def test_many_are_redriven_by_a_filter_at_a_rate_after_a_dry_run(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    letters = [make_dead(client, operator, database)[1] for _ in range(4)]
    other = make_dead(client, operator, database, task="demo.effect", args={"key": "k"})[1]
    wanted = {"task": "demo.echo", "rate": 0.1}
    dry = client.post(f"{PLACE}/redrive", json=wanted | {"dry_run": True}, headers=operator).get_json()
    assert (dry["dry_run"], dry["matched"], dry["redriven"]) == (True, 4, 0)
    assert [item["id"] for item in dry["sample"]] == list(reversed(letters))
    assert len(listed(client, operator)) == 5
    done = client.post(f"{PLACE}/redrive", json=wanted, headers=operator).get_json()
    assert (done["matched"], done["redriven"], done["skipped"], done["more"]) == (4, 4, 0, False)
    jobs = client.get("/api/v1/jobs?task=demo.echo", headers=operator).get_json()["items"]
    times = sorted(datetime.fromisoformat(job["run_at"]) for job in jobs)
    assert [round((due - times[0]).total_seconds()) for due in times] == [0, 10, 20, 30]
    assert datetime.fromisoformat(done["until"]) == times[-1]
    assert sorted(job["state"] for job in jobs) == ["queued", "scheduled", "scheduled", "scheduled"]
    assert listed(client, operator) == [other]
    again = client.post(f"{PLACE}/redrive", json=wanted, headers=operator).get_json()
    assert (again["matched"], again["redriven"], again["until"]) == (0, 0, None)


def test_many_skip_what_cannot_run(client: FlaskClient, operator: Headers, database: Database) -> None:
    for _ in range(3):
        make_dead(client, operator, database, unique_key="u")
    done = client.post(f"{PLACE}/redrive", json={"all": True, "limit": 2}, headers=operator).get_json()
    assert (done["redriven"], done["skipped"], done["skipped_because"]) == (1, 1, {"unique_key": 1})
    assert done["more"] is True


@pytest.mark.parametrize(
    "body", [{}, {"all": False}, {"all": True, "task": "demo.echo"}, {"task": "demo.echo", "rate": 0}, {"all": "yes"}]
)
def test_everything_is_not_redriven_by_mistake(
    client: FlaskClient, operator: Headers, database: Database, body: dict[str, Any]
) -> None:
    _, letter = make_dead(client, operator, database)
    assert client.post(f"{PLACE}/redrive", json=body, headers=operator).status_code == 422
    assert client.post(f"{PLACE}/redrive", headers=operator).status_code == 422
    assert listed(client, operator) == [letter]


def test_a_discarded_letter_keeps_its_reason(client: FlaskClient, operator: Headers, database: Database) -> None:
    job_id, letter = make_dead(client, operator, database)
    assert client.post(f"{PLACE}/{letter}/discard", json={}, headers=operator).status_code == 422
    answer = client.post(f"{PLACE}/{letter}/discard", json={"reason": "no use"}, headers=operator)
    assert answer.status_code == 200
    kept = answer.get_json()
    assert (kept["resolution"], kept["resolved_by"], kept["note"]) == ("discarded", "operator", "no use")
    assert stored(database, job_id)["state"] == "dead"
    for act, body in (("discard", {"reason": "again"}), ("redrive", {})):
        assert client.post(f"{PLACE}/{letter}/{act}", json=body, headers=operator).status_code == 409
    assert listed(client, operator, "?resolution=discarded") == [letter]
    assert audited(database) == [("operator", "dead_letter.discard")]


def test_another_producers_letters_are_not_there(
    client: FlaskClient, operator: Headers, make_key: KeyMaker, admin: Headers, database: Database
) -> None:
    other = make_key(*SCOPES, name="other")
    job_id, letter = make_dead(client, operator, database)
    assert listed(client, other) == []
    assert client.get(f"{PLACE}/groups", headers=other).get_json()["items"] == []
    assert client.get(f"{PLACE}/{letter}", headers=other).status_code == 404
    assert client.post(f"{PLACE}/{letter}/redrive", headers=other).status_code == 404
    assert client.post(f"{PLACE}/{letter}/discard", json={"reason": "x"}, headers=other).status_code == 404
    assert client.post(f"{PLACE}/redrive", json={"all": True}, headers=other).get_json()["matched"] == 0
    assert stored(database, job_id)["state"] == "dead"
    assert listed(client, admin) == [letter]
    assert client.post(f"{PLACE}/{letter}/redrive", headers=admin).status_code == 202


def test_redriving_needs_its_own_scope(client: FlaskClient, key: Headers, database: Database) -> None:
    _, letter = make_dead(client, key, database)
    for path in (f"{letter}/redrive", "redrive", f"{letter}/discard"):
        refused = client.post(f"{PLACE}/{path}", json={}, headers=key)
        assert refused.status_code == 403
        assert refused.get_json()["error"]["details"] == {"missing_scope": "dead_letters:write"}
