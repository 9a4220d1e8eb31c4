"""The delivery of a callback is seen by its producer: among the children of its job, and with what it waits for."""

from uuid import UUID

from flask.testing import FlaskClient

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import moves
from gristmill.shared.states import DeadReason
from tests.factories import FAILURE, begin
from tests.integration.ingress.conftest import KeyMaker

JOB = {"task": "demo.echo", "args": {"message": "m"}, "callback_url": "https://shop.example/hook"}


def test_nobody_posts_or_schedules_a_delivery_by_hand(client: FlaskClient, make_key: KeyMaker) -> None:
    key = make_key("admin", name="root")
    args = {"url": "https://shop.example/", "event": "job.dead", "ended_at": "2030-01-01T00:00:00Z", "attempt": 1}
    body = {"task": "webhook.deliver", "args": args}
    posted = client.post("/api/v1/jobs", headers=key, json=body)
    scheduled = client.put("/api/v1/schedules/calls", headers=key, json=body | {"every": 60})
    for refused in (posted, scheduled):
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "TASK_INTERNAL_001")
        assert "callback_url" in refused.get_json()["error"]["message"]
    assert client.get("/api/v1/tasks/webhook.deliver", headers=key).status_code == 200


def test_a_delivery_is_shown_among_the_children_with_what_it_waits_for_and_its_dead_letter(
    client: FlaskClient, make_key: KeyMaker, database: Database
) -> None:
    scopes = ("jobs:read", "jobs:write")
    key, stranger = make_key(*scopes, name="shop"), make_key(*scopes, name="stranger")
    assert client.post("/api/v1/webhook-secret", headers=key).status_code == 201
    job = client.post("/api/v1/jobs", headers=key, json=JOB).get_json()["id"]
    assert client.get(f"/api/v1/jobs/{job}", headers=key).get_json()["children"] == []
    assert client.post(f"/api/v1/jobs/{job}/cancel", headers=key).status_code == 200
    (delivery,) = client.get(f"/api/v1/jobs/{job}", headers=key).get_json()["children"]
    shown = client.get(f"/api/v1/jobs/{delivery}", headers=key).get_json()
    assert (shown["task"], shown["parent"], shown["state"]) == ("webhook.deliver", job, "queued")
    assert shown["args"]["event"] == "job.cancelled"
    assert shown["waiting_evidence"]["reason"] == "no_relay"
    assert "relay" in shown["waiting_for"]
    assert client.get(f"/api/v1/jobs/{delivery}", headers=stranger).status_code == 404

    (claimed,) = begin(database, UUID(delivery))
    running = client.get(f"/api/v1/jobs/{delivery}", headers=key).get_json()
    assert (running["state"], running["waiting_evidence"]["reason"]) == ("running", "running")
    with database.transaction() as session:
        moves.kill(session, claimed.id, claimed.attempt, reason=DeadReason.EXHAUSTED, failure=FAILURE)
    (letter,) = client.get("/api/v1/dead-letters?task=webhook.deliver", headers=key).get_json()["items"]
    assert (letter["job_id"], letter["error"]["code"]) == (delivery, FAILURE.code)
    assert client.get("/api/v1/dead-letters", headers=stranger).get_json()["items"] == []
