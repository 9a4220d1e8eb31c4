"""Queues over HTTP: their depths and rates, who consumes them, and how they are paused."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.shared.database.connect import Database
from gristmill.shared.operating import queries_queue_depths as depths
from gristmill.shared.operating.queries_process_reports import StatusReport, write_report
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import State
from tests.factories import begin, change, insert_job
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.dead import ECHO, audited, make_dead

DATA = "data_processing_queue"
PLACE = "/api/v1/queues"


@pytest.fixture
def operator(make_key: KeyMaker) -> Headers:
    return make_key("queues:read", "queues:write", "jobs:write", "jobs:read", name="ada")


def show(client: FlaskClient, headers: Headers, name: str = DATA) -> Any:
    answer = client.get(f"{PLACE}/{name}", headers=headers)
    assert answer.status_code == 200
    return answer.get_json()


def post(client: FlaskClient, headers: Headers, **body: Any) -> str:
    answer = client.post("/api/v1/jobs", json=ECHO | body, headers=headers)
    assert answer.status_code == 202
    return str(answer.get_json()["id"])


def test_every_queue_is_listed_with_what_waits_runs_and_is_dead(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    make_dead(client, operator, database)
    post(client, operator, delay=600)
    due = insert_job(database, state=State.SCHEDULED)  # its time has come, and nobody has begun it
    insert_job(database, state=State.RETRYING)
    runs = insert_job(database, state=State.QUEUED)
    begin(database, runs)
    listed = client.get(PLACE, headers=operator).get_json()["items"]
    assert [each["name"] for each in listed] == list(QUEUES)
    data = show(client, operator)
    assert listed[list(QUEUES).index(DATA)].keys() == data.keys()
    assert {name: data[name] for name in ("ready", "scheduled", "retrying", "running", "dead_letters", "more")} == {
        "ready": 2,
        "scheduled": 1,
        "retrying": 0,
        "running": 1,
        "dead_letters": 1,
        "more": [],
    }
    assert 1 <= data["oldest_waiting_seconds"] < 60
    assert (data["paused"], data["workers"], data["dead_letter_queue"]) == (None, 0, "processing_dlq")
    assert data["accepted_a_minute"] == 5
    change(database, "UPDATE gristmill.jobs SET created_at = created_at - interval '2 minutes' WHERE id = :id", id=due)
    assert show(client, operator)["accepted_a_minute"] == 4


def test_a_rate_beyond_the_sample_is_told_of_the_time_that_the_sample_covers(
    client: FlaskClient, operator: Headers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depths, "SAMPLE", 10)
    for _ in range(11):
        insert_job(database, state=State.QUEUED)
    change(
        database,
        "UPDATE gristmill.jobs SET created_at = statement_timestamp() - (row.number - 1) * interval '1 second' "
        "FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS number "
        "FROM gristmill.jobs) AS row WHERE row.id = jobs.id",
    )
    before = age_of_oldest(database, 10)
    told = show(client, operator)["accepted_a_minute"]
    assert 600 / age_of_oldest(database, 10) - 0.1 < told < 600 / before + 0.1
    assert before >= 9


def age_of_oldest(database: Database, newest: int) -> float:
    """For how many seconds the oldest of the newest jobs has been there."""
    query = text(
        "SELECT extract(epoch FROM clock_timestamp() - min(created_at)) "
        "FROM (SELECT created_at FROM gristmill.jobs ORDER BY id DESC LIMIT :newest) AS sample"
    )
    with database.transaction() as session:
        return float(session.execute(query, {"newest": newest}).scalar_one())


def test_counting_ends_somewhere_and_says_so(
    client: FlaskClient, operator: Headers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depths, "MOST_COUNTED", 2)
    for _ in range(3):
        insert_job(database, state=State.QUEUED)
    data = show(client, operator)
    assert (data["ready"], data["more"], data["counted_at"]) == (2, ["ready"], None)


def test_a_queue_that_is_too_long_to_be_counted_at_once_was_counted_some_seconds_ago(
    client: FlaskClient, operator: Headers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depths, "MOST_COUNTED", 2)

    def count() -> list[str]:
        with database.transaction() as session:
            return depths.count_long_queues(session, fresh=60)

    insert_job(database, state=State.QUEUED)
    assert count() == []
    for state in (State.QUEUED, State.SCHEDULED, State.RETRYING, State.RUNNING, State.SUCCEEDED):
        insert_job(database, state=state)
    make_dead(client, operator, database)
    assert count() == [DATA]
    assert count() == []  # it was, just now
    insert_job(database, state=State.QUEUED)
    data = show(client, operator)
    assert (data["ready"], data["running"], data["dead_letters"], data["more"]) == (4, 1, 1, ["ready"])
    assert data["counted_at"] is not None


def test_the_workers_of_a_queue_are_told_as_long_as_they_are_there(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    with database.transaction() as session:
        for name, silent in (("one", False), ("two", False), ("gone", True)):
            report = StatusReport(
                name=name, kind="worker", queue=DATA, children=5, jobs_a_minute=60, acted=True, stopped=silent
            )
            write_report(session, report)
    data = show(client, operator)
    assert (data["workers"], data["started_a_minute"]) == (10, 120)
    assert data["worker_seen_at"] is not None
    assert data["last_started_at"] is not None
    assert show(client, operator, "email_queue")["workers"] == 0


def test_a_queue_is_paused_and_resumed_and_its_jobs_say_so(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    paused = client.post(f"{PLACE}/{DATA}/pause", json={"reason": "the disk is full"}, headers=operator)
    assert paused.status_code == 200
    shown = paused.get_json()["paused"]
    assert (shown["by"], shown["reason"]) == ("ada", "the disk is full")
    again = client.post(f"{PLACE}/{DATA}/pause", json={"reason": "another"}, headers=operator)
    assert again.get_json()["paused"] == shown
    job = client.get(f"/api/v1/jobs/{post(client, operator)}", headers=operator).get_json()
    assert job["waiting_for"] == f"the queue {DATA} is paused by ada since {shown['since'][:19]}Z (the disk is full)"
    assert job["waiting_evidence"]["reason"] == "queue_paused"
    for _ in range(2):
        resumed = client.post(f"{PLACE}/{DATA}/resume", headers=operator)
        assert (resumed.status_code, resumed.get_json()["paused"]) == (200, None)
    assert audited(database) == [("ada", "queue.pause"), ("ada", "queue.resume")]


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "reason"), ({"reason": ""}, "reason"), ({"reason": "x\0"}, "reason"), ({"reason": "x", "for": 5}, "for")],
)
def test_a_pause_without_a_good_reason_is_refused_by_field(
    client: FlaskClient, operator: Headers, database: Database, body: dict[str, Any], field: str
) -> None:
    answer = client.post(f"{PLACE}/{DATA}/pause", json=body, headers=operator)
    assert answer.status_code in {400, 422}
    if answer.status_code == 422:
        assert field in answer.get_json()["error"]["details"]
    assert show(client, operator)["paused"] is None


def test_a_queue_that_there_is_not_is_404_with_those_that_there_are(client: FlaskClient, operator: Headers) -> None:
    for method, path in (("GET", "mail"), ("POST", "mail/pause"), ("POST", "mail/resume")):
        answer = client.open(f"{PLACE}/{path}", method=method, json={"reason": "x"}, headers=operator)
        assert answer.status_code == 404, path
        assert "email_queue" in answer.get_json()["error"]["message"]


def test_a_producer_neither_sees_nor_pauses_queues(client: FlaskClient, key: Headers, make_key: KeyMaker) -> None:
    assert client.get(PLACE, headers=key).status_code == 403
    reader = make_key("queues:read", name="reader")
    refused = client.post(f"{PLACE}/{DATA}/pause", json={"reason": "x"}, headers=reader)
    assert refused.get_json()["error"]["details"] == {"missing_scope": "queues:write"}
    assert client.post(f"{PLACE}/{DATA}/resume", headers=reader).status_code == 403
