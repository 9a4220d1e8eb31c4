"""Cancel and run now over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.moves import claim, succeed
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.dead import ECHO, audited, make_dead
from tests.integration.ingress.rows import count

NOBODYS = "/api/v1/jobs/01993c1e-0000-7000-8000-000000000000"


def post(client: FlaskClient, headers: Headers, **body: object) -> str:
    return client.post("/api/v1/jobs", json=ECHO | body, headers=headers).headers["Location"]


def start(database: Database, place: str) -> UUID:
    with database.transaction() as session:
        [claimed] = claim(session, [UUID(place.rpartition("/")[2])], worker="w1", lease=9)
    return claimed.id


def test_a_job_that_waits_is_cancelled_at_once_and_again_with_the_same_answer(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    place = post(client, key, delay=60)
    first = client.post(f"{place}/cancel", headers=key)
    assert first.status_code == 200
    assert first.get_json()["state"] == "cancelled"
    assert first.get_json()["finished_at"] is not None
    again = client.post(f"{place}/cancel", headers=key)
    assert (again.status_code, again.get_json()) == (first.status_code, first.get_json())
    assert audited(database) == [("producer", "job.cancel")]


def test_a_job_that_runs_is_asked_to_end(client: FlaskClient, key: Headers, database: Database) -> None:
    place = post(client, key)
    start(database, place)
    first = client.post(f"{place}/cancel", headers=key)
    assert first.status_code == 202
    assert first.get_json()["state"] == "running"
    assert first.get_json()["cancel_requested_at"] is not None
    again = client.post(f"{place}/cancel", headers=key)
    assert (again.status_code, again.get_json()) == (202, first.get_json())
    assert audited(database) == [("producer", "job.cancel")]


def test_a_job_that_has_ended_is_not_cancelled_and_the_answer_says_how_it_ended(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    place = post(client, key)
    job_id = start(database, place)
    with database.transaction() as session:
        assert succeed(session, [(job_id, 1, None)])
    dead, _ = make_dead(client, key, database)
    for path, state in ((place, "succeeded"), (f"/api/v1/jobs/{dead}", "dead")):
        refused = client.post(f"{path}/cancel", headers=key)
        assert refused.status_code == 409
        assert f"is {state} already" in refused.get_json()["error"]["message"]
    assert audited(database) == []


def test_a_job_that_waits_for_its_time_runs_now_and_has_one_hint(
    app: Flask, client: FlaskClient, key: Headers, database: Database
) -> None:
    place = post(client, key, delay=3600)
    with ThreadPoolExecutor(4) as threads:
        asked = list(threads.map(lambda _: app.test_client().post(f"{place}/retry", headers=key), range(4)))
    assert {answer.status_code for answer in asked} == {200}
    shown = client.get(place, headers=key).get_json()
    assert (shown["state"], shown["waiting_evidence"]["reason"]) == ("queued", "no_relay")
    assert {answer.get_json()["run_at"] for answer in asked} == {shown["run_at"]}
    assert count(database, "outbox") == 1
    assert audited(database) == [("producer", "job.run_now")]


def test_a_dead_job_is_not_retried_but_pointed_to_its_letter(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    job_id, _ = make_dead(client, key, database)
    refused = client.post(f"/api/v1/jobs/{job_id}/retry", headers=key)
    assert refused.status_code == 409
    assert "redrive its dead letter" in refused.get_json()["error"]["message"]


def test_only_its_producer_and_admins_cancel_or_hurry_a_job(client: FlaskClient, make_key: KeyMaker) -> None:
    mine, other = make_key("jobs:write", name="mine"), make_key("jobs:write", name="other")
    reader, admin = make_key("jobs:read", name="reader"), make_key("admin", name="admin")
    place = post(client, mine, delay=60)
    for act in ("retry", "cancel"):
        assert client.post(f"{place}/{act}", headers=other).status_code == 404
        assert client.post(f"{place}/{act}", headers=reader).status_code == 403
        assert client.post(f"{NOBODYS}/{act}", headers=mine).status_code == 404
        assert client.post(f"{place}/{act}", headers=admin).status_code == 200


def test_a_replayed_duplicate_is_answered_as_it_was(client: FlaskClient, key: Headers, database: Database) -> None:
    body = ECHO | {"unique_key": "u"}
    client.post("/api/v1/jobs", json=body, headers=key)
    first, again = (client.post("/api/v1/jobs", json=body, headers=key | {"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, first.get_json()["duplicate"]) == (200, True)
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(database) == 1
