"""Whoever follows a job is told what happens to it, while it happens, and misses nothing when the connection is cut."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gristmill.ingress.app import create_app
from gristmill.ingress.following import event_stream
from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.redrive import redrive_one
from gristmill.shared.jobs.moves import retry
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.settings import Settings
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import FAILURE, begin, change, find, letters, post
from tests.integration.ingress.rows import give_history

MakeKey = Callable[..., dict[str, str]]
Told = dict[str, Any]
SOON = 60  # seconds: nobody here waits for so long

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def executor(database: Database) -> Executor:
    return Executor(database, worker="test@here", queue="data_processing_queue")


@pytest.fixture
def headers(make_key: MakeKey) -> dict[str, str]:
    return make_key("admin")


def read(text: str) -> list[Told]:
    """The events of a stream as the standard has them: comments and fields without data are none."""
    events = []
    for block in text.split("\n\n"):
        named = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in named:
            events.append({"id": named["id"], "kind": named["event"], **json.loads(named["data"])})
    return events


def kinds(events: list[Told]) -> list[str]:
    return [event["kind"] for event in events]


def follow(client: FlaskClient, job: UUID, headers: dict[str, str], last: str | None = None) -> TestResponse:
    more = {"Last-Event-ID": last} if last is not None else {}
    return client.get(f"/api/v1/jobs/{job}/events", headers=headers | more)


def whole(client: FlaskClient, job: UUID, headers: dict[str, str], last: str | None = None) -> list[Told]:
    """All that is told of a job that has ended."""
    answer = follow(client, job, headers, last)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    return read(answer.get_data(as_text=True))


class Listener:
    """Reads a stream in a thread of its own."""

    def __init__(self, answer: TestResponse) -> None:
        self.pieces: queue.Queue[str | None] = queue.Queue()
        self._answer = answer
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for piece in self._answer.response:
            self.pieces.put(piece.decode() if isinstance(piece, bytes) else piece)
        self.pieces.put(None)

    def next(self) -> Told:
        """The next event; it comes soon, or the test fails."""
        while True:
            piece = self.pieces.get(timeout=SOON)
            assert piece is not None, "the stream has ended"
            if found := read(piece):
                return found[0]

    def rest(self) -> list[Told]:
        """What comes until the stream ends by itself."""
        told = ""
        while (piece := self.pieces.get(timeout=SOON)) is not None:
            told += piece
        return read(told)


@contextmanager
def following(client: FlaskClient, job: UUID, headers: dict[str, str], last: str | None = None) -> Iterator[Listener]:
    answer = follow(client, job, headers, last)
    assert answer.status_code == 200
    try:
        yield Listener(answer)
    finally:
        with suppress(ValueError):  # its thread reads: the generator is closed when that has ended
            answer.close()


def test_the_story_of_a_job_that_has_ended_is_told_at_once(
    client: FlaskClient, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    job = post(database, tasks.fail, times=1)
    executor.execute([job])
    change(database, "UPDATE gristmill.jobs SET run_at = statement_timestamp() WHERE id = :id", id=job)
    executor.execute([job])
    told = whole(client, job, headers)
    assert kinds(told) == ["job.accepted", "attempt.started", "attempt.failed", "attempt.started", "job.succeeded"]
    assert [event["attempt"] for event in told] == [0, 1, 1, 2, 2]
    assert (told[2]["error"]["type"], told[-1]["state"]) == ("TransientError", "succeeded")


def test_what_happens_is_told_while_it_happens(
    client: FlaskClient, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    job = post(database, tasks.echo, message="m")
    with following(client, job, headers) as listener:
        assert listener.next()["state"] == "queued"
        begin(database, job)
        assert listener.next()["state"] == "running"
        with database.transaction() as session:
            assert retry(session, job, 1, delay=timedelta(0), failure=FAILURE)
        parted = listener.next()
        assert (parted["kind"], parted["state"], parted["error"]["code"]) == ("attempt.failed", "retrying", "TEST_1")
        executor.execute([job])
        assert kinds(listener.rest())[-2:] == ["attempt.started", "job.succeeded"]


def test_who_comes_again_is_told_what_came_after(
    client: FlaskClient, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    job = post(database, tasks.echo, message="m")
    executor.execute([job])
    told = whole(client, job, headers)
    assert kinds(told) == ["job.accepted", "attempt.started", "job.succeeded"]
    for seen, event in enumerate(told, 1):
        assert whole(client, job, headers, last=event["id"]) == told[seen:]


def test_a_job_that_was_redriven_and_expired_again_has_two_ends(
    client: FlaskClient, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    def expire(job: UUID) -> None:
        change(database, "UPDATE gristmill.jobs SET expires_at = clock_timestamp() WHERE id = :id", id=job)
        executor.execute([job])

    job = post(database, tasks.echo, message="m")
    expire(job)
    first = whole(client, job, headers)[-1]
    with database.transaction() as session:
        redrive_one(session, letters(database, job)[0].id, actor="test")
    expire(job)
    (second,) = whole(client, job, headers, last=first["id"])
    assert first["kind"] == second["kind"] == "job.dead"
    assert first["id"] != second["id"]


def test_a_job_that_is_cancelled_ends_its_stream(
    client: FlaskClient, headers: dict[str, str], database: Database
) -> None:
    job = post(database, tasks.echo, message="m")
    with following(client, job, headers) as listener:
        listener.next()
        with database.transaction() as session:
            cancel_job(session, job, actor="test")
        assert kinds(listener.rest()) == ["job.cancelled"]


def test_a_quiet_stream_shows_that_it_lives(
    client: FlaskClient,
    headers: dict[str, str],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT", 0.05)
    job = post(database, tasks.echo, message="m")
    with following(client, job, headers) as listener:
        eventually(lambda: listener.pieces.get(timeout=SOON) == event_stream._COMMENT)
        with database.transaction() as session:
            cancel_job(session, job, actor="test")
        assert kinds(listener.rest()) == ["job.cancelled"]


def test_a_stream_ends_after_its_time_and_is_taken_up_again(
    settings: Settings, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    app = create_app(replace(settings, web_stream_seconds=5), database)
    job = post(database, tasks.echo, message="m")
    first = whole(app.test_client(), job, headers)
    assert kinds(first) == ["job.accepted"]
    executor.execute([job])
    assert kinds(whole(app.test_client(), job, headers, last=first[-1]["id"])) == ["attempt.started", "job.succeeded"]


def test_a_long_story_is_told_in_one_piece_and_taken_up_where_it_ended(
    client: FlaskClient, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    job = post(database, tasks.echo, message="m")
    give_history(database, job, 9)
    told = whole(client, job, headers)
    assert kinds(told) == ["job.accepted", *["attempt.started", "attempt.failed"] * 9]
    with following(client, job, headers, last=told[-1]["id"]) as listener:
        eventually(lambda: find(database, job).watched_until is not None)
        executor.execute([job])
        assert kinds(listener.rest()) == ["attempt.started", "job.succeeded"]


def test_one_stream_too_many_is_refused_at_once_and_a_closed_one_makes_room(
    settings: Settings, headers: dict[str, str], database: Database
) -> None:
    app: Flask = create_app(replace(settings, web_streams=1), database)
    client = app.test_client()
    job = post(database, tasks.echo, message="m")
    first = follow(client, job, headers)
    refused = follow(client, job, headers)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert client.get(f"/api/v1/jobs/{job}?wait=0.1", headers=headers).status_code == 200  # it has room of its own
    first.close()
    assert follow(client, job, headers).status_code == 200


def test_a_listening_connection_that_is_cut_costs_no_event(
    client: FlaskClient, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    job = post(database, tasks.echo, message="m")
    with following(client, job, headers) as listener:
        listener.next()
        eventually(lambda: find(database, job).watched_until is not None)
        change(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'gristmill web (listen)'",
        )
        executor.execute([job])
        assert kinds(listener.rest())[-1] == "job.succeeded"


def test_streams_end_when_the_process_is_to_end(
    app: Flask, client: FlaskClient, headers: dict[str, str], database: Database
) -> None:
    job = post(database, tasks.echo, message="m")
    with following(client, job, headers) as listener:
        listener.next()
        services_of(app).followers.close()
        assert listener.rest() == []
    assert follow(client, job, headers).status_code == 503


def test_a_key_without_payloads_is_told_no_result(
    client: FlaskClient, make_key: MakeKey, headers: dict[str, str], database: Database, executor: Executor
) -> None:
    blind = make_key("operator", name="blind")
    change(database, "UPDATE gristmill.producers SET sees_payloads = false WHERE name = 'blind'")
    job = post(database, tasks.echo, message="secret")
    executor.execute([job])
    assert whole(client, job, headers)[-1]["result"] == {"message": "secret"}
    assert "secret" not in json.dumps(whole(client, job, blind))


@pytest.mark.parametrize(
    "last", ["", "soon", "1-1", "1-4-1893456000000", "1234567890-1-1893456000000", "1-1-99999999999999999999"]
)
def test_an_id_that_no_event_has_is_refused(
    client: FlaskClient, headers: dict[str, str], database: Database, last: str
) -> None:
    answer = follow(client, post(database, tasks.echo, message="m"), headers, last)
    assert answer.status_code == 422
    assert answer.json is not None
    assert list(answer.json["error"]["details"]) == ["Last-Event-ID"]


def test_the_job_of_another_producer_is_not_followed(
    client: FlaskClient, make_key: MakeKey, database: Database
) -> None:
    job = post(database, tasks.echo, message="m")
    assert follow(client, job, make_key("jobs:read", name="other")).status_code == 404
