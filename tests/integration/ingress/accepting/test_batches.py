"""Many jobs by one request: each on its own, or all or nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from gristmill.ingress.app import create_app
from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import Settings
from tests.eventually import eventually
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.rows import a_write_waits, commits, count, everything_stored, jobs_locked

NOTHING = {"jobs": 0, "outbox": 0, "idempotency_keys": 0}
ECHO: dict[str, Any] = {"task": "demo.echo", "args": {"message": "hello"}}
BAD: dict[str, Any] = {"task": "demo.echo", "args": {"message": 5}}


@pytest.fixture
def other_app(settings: Settings) -> Iterator[Flask]:
    """The app of another process: it shares the database alone."""
    other = create_app(settings)
    yield other
    services = services_of(other)
    services.acceptor.close(within=10)
    services.batches.close(within=10)
    services.database.dispose()


def echo(message: str, **more: Any) -> dict[str, Any]:
    return {"task": "demo.echo", "args": {"message": message}, **more}


def post(
    client: FlaskClient, headers: Headers, jobs: list[Any], /, key: str | None = None, **more: Any
) -> TestResponse:
    keyed = headers if key is None else headers | {"Idempotency-Key": key}
    return client.post("/api/v1/jobs/batch", json={"jobs": jobs, **more}, headers=keyed)


def test_each_entry_gets_its_result_in_order(client: FlaskClient, make_key: KeyMaker, database: Database) -> None:
    key = make_key("jobs:write", "jobs:read", allowed_tasks=["demo.echo", "no.such"])
    twin = echo("u", unique_key="u")
    wrong_field = ECHO | {"colour": "red"}
    entries = [ECHO, BAD, {"task": "no.such"}, {"task": "demo.fail", "args": {"times": 0}}, wrong_field, twin, twin]
    answer = post(client, key, entries)
    assert answer.status_code == 202
    results = answer.get_json()["results"]
    codes = [result.get("error", {}).get("code") for result in results]
    assert codes == [
        None,
        "TASK_ARGS_INVALID_001",
        "TASK_UNKNOWN_001",
        "AUTH_FORBIDDEN_001",
        "REQUEST_INVALID_001",
        None,
        None,
    ]
    assert list(results[1]["error"]["details"]) == ["args.message"]
    assert list(results[4]["error"]["details"]) == ["colour"]
    assert results[6] == results[5] | {"duplicate": True}
    assert client.get(f"/api/v1/jobs/{results[0]['id']}", headers=key).get_json()["args"] == ECHO["args"]
    assert everything_stored(database) == {"jobs": 2, "outbox": 2, "idempotency_keys": 0}


def test_entries_that_look_alike_are_each_judged_by_what_is_their_own(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    entries = [
        echo("a", max_attempts=1, tags=["x"]),
        echo("b", max_attempts=True, tags=["x"]),
        ECHO | {"max_attempts": 1, "tags": ["x"], "args": ["c"]},
        echo("d", max_attempts=1, tags=["x"], idempotency_key="two words"),
        echo("e", max_attempts=1, tags=["x"], idempotency_key=7),
        BAD | {"max_attempts": 1, "tags": ["x"]},
        echo("f", max_attempts=1.0, tags=["x"]),
        echo("g", max_attempts=1, tags=["x"], idempotency_key="one"),
        echo("h", delay=3600, tags=["x"]),
        echo("i", max_attempts=1, tags=["x"]),
    ]
    results = post(client, key, entries).get_json()["results"]
    wrong = [list(result["error"]["details"]) if "error" in result else None for result in results]
    assert wrong == [
        None,
        ["max_attempts"],
        ["args"],
        ["idempotency_key"],
        ["idempotency_key"],
        ["args.message"],
        None,
        None,
        None,
        None,
    ]
    assert [result.get("state") for result in results if "id" in result] == 3 * ["queued"] + ["scheduled", "queued"]
    with database.transaction() as session:
        stored = session.execute(
            text("SELECT args->>'message', max_attempts, tags FROM gristmill.jobs ORDER BY id")
        ).all()
    assert [row[0] for row in stored] == ["a", "f", "g", "h", "i"]
    assert {row[1] for row in stored if row[0] != "h"} == {1}
    assert all(row[2] == ["x"] for row in stored)


def test_a_thousand_jobs_share_one_commit(client: FlaskClient, key: Headers, database: Database) -> None:
    results = post(client, key, [echo(str(number)) for number in range(1_000)]).get_json()["results"]
    assert len({result["id"] for result in results}) == 1_000
    assert commits(database) == 1


@pytest.mark.parametrize("body", [{}, {"jobs": []}, {"jobs": [ECHO] * 1_001}, {"jobs": [5]}, {"jobs": [ECHO], "x": 1}])
def test_what_is_no_batch_is_refused_as_a_whole(
    client: FlaskClient, key: Headers, database: Database, body: dict[str, Any]
) -> None:
    assert client.post("/api/v1/jobs/batch", json=body, headers=key).status_code == 422
    assert everything_stored(database) == NOTHING


def test_an_atomic_batch_with_a_bad_entry_stores_nothing_and_names_all_of_them(
    client: FlaskClient, make_key: KeyMaker, database: Database
) -> None:
    key = make_key("jobs:write", allowed_tasks=["demo.echo"])
    refused = post(client, key, [ECHO, BAD, {"task": "demo.fail"}, ECHO | {"x": 1}], atomic=True)
    assert refused.status_code == 422
    assert list(refused.get_json()["error"]["details"]) == ["jobs.1.args.message", "jobs.2.task", "jobs.3.x"]
    assert everything_stored(database) == NOTHING
    assert post(client, key, [ECHO, ECHO], atomic=True).status_code == 202
    assert commits(database) == 1


def test_an_atomic_batch_whose_key_was_misused_stores_nothing(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    post(client, key, [echo("first", idempotency_key="k")])
    two_under_one_key = [echo("a", idempotency_key="same"), echo("b", idempotency_key="same")]
    for entries, number in (([ECHO, echo("other", idempotency_key="k")], 1), ([ECHO, *two_under_one_key], 2)):
        refused = post(client, key, entries, atomic=True)
        assert refused.status_code == 422
        assert list(refused.get_json()["error"]["details"]) == [f"jobs.{number}.idempotency_key"]
    assert everything_stored(database) == {"jobs": 1, "outbox": 1, "idempotency_keys": 1}


def test_a_batch_that_is_sent_again_gets_the_same_answer(client: FlaskClient, key: Headers, database: Database) -> None:
    entries = [ECHO, BAD, ECHO]
    first, again = post(client, key, entries, "batch-7"), post(client, key, entries, "batch-7")
    assert again.get_data() == first.get_data()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    for other in ([ECHO], [ECHO, BAD, ECHO, ECHO]):
        refused = post(client, key, other, "batch-7")
        assert refused.status_code == 422
        assert refused.get_json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED_001"
    assert everything_stored(database) == {"jobs": 2, "outbox": 2, "idempotency_keys": 2}


def test_a_key_stands_for_its_job_whether_sent_alone_or_in_a_batch(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    alone = client.post("/api/v1/jobs", json=ECHO, headers=key | {"Idempotency-Key": "order-7"}).get_json()
    mixed = post(client, key, [ECHO | {"idempotency_key": "order-7"}, ECHO | {"idempotency_key": "order-8"}])
    assert mixed.get_json()["results"][0] == alone
    assert "Idempotency-Replayed" not in mixed.headers
    eight = client.post("/api/v1/jobs", json=ECHO, headers=key | {"Idempotency-Key": "order-8"})
    assert eight.get_json() == mixed.get_json()["results"][1]
    assert eight.headers["Idempotency-Replayed"] == "true"
    assert count(database) == 2


def test_keys_of_two_kinds_at_once_are_refused(client: FlaskClient, key: Headers, database: Database) -> None:
    assert post(client, key, [ECHO | {"idempotency_key": "a"}], "b").status_code == 422
    wrong = post(client, key, [ECHO | {"idempotency_key": "two words"}, ECHO | {"idempotency_key": 5}])
    paths = [list(result["error"]["details"]) for result in wrong.get_json()["results"]]
    assert paths == [["idempotency_key"]] * 2
    assert everything_stored(database) == NOTHING


def test_twins_of_a_batch_at_once_and_in_two_processes_are_accepted_once(
    app: Flask, other_app: Flask, key: Headers, database: Database
) -> None:
    entries = [echo(str(number)) for number in range(50)]
    clients = [each.test_client for each in (app, other_app)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda turn: post(clients[turn % 2](), key, entries, "same"), range(16)))
        singly = list(
            threads.map(
                lambda turn: clients[turn % 2]().post(
                    "/api/v1/jobs", json=ECHO, headers=key | {"Idempotency-Key": f"single-{turn // 8}"}
                ),
                range(24),
            )
        )
    assert {answer.status_code for answer in singly} == {202}
    assert len({answer.get_data() for answer in singly}) == 3
    assert [sum("Idempotency-Replayed" in one.headers for one in singly[at : at + 8]) for at in (0, 8, 16)] == [7] * 3
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_data() for answer in answers}) == 1
    assert count(database) == count(database, "outbox") == 50 + 3


def test_a_batch_may_be_larger_than_a_single_job(client: FlaskClient, key: Headers, database: Database) -> None:
    text = "x" * 9_000
    assert post(client, key, [echo(text)] * 100).status_code == 202
    assert post(client, key, [echo(text)] * 120).status_code == 413
    assert count(database) == 100


def test_a_single_job_does_not_stand_behind_batches(app: Flask, key: Headers, database: Database) -> None:
    services = services_of(app)
    with ThreadPoolExecutor(8) as threads:
        with jobs_locked(database):
            batches = [threads.submit(post, app.test_client(), key, [ECHO] * 1_000) for _ in range(4)]
            eventually(lambda: a_write_waits(database))
            eventually(lambda: services.batches.size >= 3_000)
            assert services.acceptor.size == 0
            single = threads.submit(app.test_client().post, "/api/v1/jobs", json=ECHO, headers=key)
        assert single.result(timeout=60).status_code == 202
        assert {batch.result(timeout=60).status_code for batch in batches} == {202}
    assert count(database) == 4_001
