"""Notifications reach each channel once, and a webhook cannot be turned against our own network."""

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import event, text
from uuid_utils.compat import uuid7

from gristmill.ports import free_port
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outcomes import Discard
from gristmill.shared.outgoing import post as outgoing
from gristmill.shared.states import State
from gristmill.tasks.notifications.models import Notification
from gristmill.tasks.notifications.queries import list_notifications
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.contexts import perform
from tests.factories import find, letters, states
from tests.factories import post as enqueue
from tests.integration.tasks.http_servers import Receiver, http_server
from tests.integration.tasks.smtp_servers import rude_server

NOTICE = {"title": "It turns", "body": "The mill turns.", "data": {"rpm": 12}}


@pytest.fixture
def user_id(database: Database) -> str:
    ada = {"email": "ada@example.com", "password": "Lovelace1", "full_name": "Ada"}
    return str(perform(database, tasks.create_user, ada)["user_id"])


@pytest.fixture
def post(database: Database) -> Callable[..., Any]:
    """Send a notification to a webhook alone."""

    def post(url: str, **options: Any) -> Any:
        args = NOTICE | {"channels": ["webhook"], "webhook_url": url}
        return perform(database, tasks.send_notification, args, **options)

    return post


def rows(database: Database, job_id: UUID) -> dict[str, Notification]:
    with database.transaction() as session:
        return {row.channel: row for row in list_notifications(session, job_id)}


def test_a_notification_is_a_row_for_its_user_and_a_post_to_its_url(database: Database, user_id: str) -> None:
    receiver, job_id = Receiver(), uuid7()
    with http_server(receiver) as url:
        args = NOTICE | {"channels": ["in_app", "webhook"], "user_id": user_id, "webhook_url": f"{url}/hook?key=s3cret"}
        result = perform(database, tasks.send_notification, args, job_id=job_id)
    assert result == {"in_app": "stored", "webhook": "HTTP 204"}
    written = rows(database, job_id)
    assert {row.status for row in written.values()} == {"delivered"}
    assert {str(row.user_id) for row in written.values()} == {user_id}
    assert written["in_app"].title == "It turns"
    assert written["in_app"].read_at is None
    assert written["webhook"].target == f"{url}/hook"
    assert receiver.paths == ["/hook?key=s3cret"]
    assert orjson.loads(receiver.bodies[0]) == {"id": str(job_id), "type": "notification", **NOTICE}
    heard = receiver.heard[0]
    assert heard["idempotency-key"] == heard["webhook-id"] == str(job_id)
    assert heard["content-type"] == "application/json"
    assert heard["host"] == url.removeprefix("http://")


def test_a_channel_that_has_delivered_is_skipped_when_the_job_is_repeated(database: Database, user_id: str) -> None:
    receiver, job_id = Receiver(status=503), uuid7()
    with http_server(receiver) as url:
        args = NOTICE | {"channels": ["webhook", "in_app"], "user_id": user_id, "webhook_url": url}
        with pytest.raises(TransientError):
            perform(database, tasks.send_notification, args, job_id=job_id)
        between = rows(database, job_id)
        assert (between["in_app"].status, between["webhook"].status) == ("delivered", "pending")
        receiver.status = 200
        for attempt in (2, 3):
            result = perform(database, tasks.send_notification, args, job_id=job_id, attempt=attempt)
            assert result == {"in_app": "stored", "webhook": "HTTP 200"}
    assert len(receiver.bodies) == 2
    assert receiver.bodies[0] == receiver.bodies[1]
    assert rows(database, job_id)["in_app"].delivered_at == between["in_app"].delivered_at


def test_nobody_is_notified_for_somebody_unknown(database: Database, user_id: str) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        args = NOTICE | {"channels": ["in_app", "webhook"], "webhook_url": url}
        unknown = perform(database, tasks.send_notification, args | {"user_id": str(uuid7())})
        with database.transaction() as session:
            session.execute(text("UPDATE gristmill.users SET deleted_at = clock_timestamp()"))
        deleted = perform(database, tasks.send_notification, args | {"user_id": user_id})
    assert [type(outcome) for outcome in (unknown, deleted)] == [Discard, Discard]
    assert unknown.code == deleted.code == "USER_UNKNOWN"
    assert receiver.bodies == []


@pytest.mark.timeout(300, method="thread")
def test_entries_in_the_application_are_written_by_one_statement_and_each_job_has_its_result(
    database: Database, user_id: str
) -> None:
    executor = Executor(database, worker="test@here", queue="notification_queue")
    others = [enqueue(database, tasks.notify_in_app, **NOTICE, user_id=user_id) for _ in range(2)]
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    executor.execute(others)
    assert sum("INSERT INTO gristmill.notifications" in statement for statement in statements) == 1
    assert [find(database, job).result for job in others] == [{"in_app": "stored"}] * 2
    written = [rows(database, job)["in_app"] for job in others]
    assert [(row.title, row.body, row.data) for row in written] == [tuple(NOTICE.values())] * 2
    assert [(str(row.user_id), row.status, row.reply) for row in written] == [(user_id, "delivered", "stored")] * 2


@pytest.mark.timeout(300, method="thread")
def test_an_entry_for_somebody_unknown_costs_its_neighbours_nothing(database: Database, user_id: str) -> None:
    executor = Executor(database, worker="test@here", queue="notification_queue")
    users = (user_id, str(uuid7()), user_id)
    jobs = [enqueue(database, tasks.notify_in_app, **NOTICE, user_id=user) for user in users]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.DEAD, State.SUCCEEDED]
    assert [letter.error_code for letter in letters(database, jobs[1])] == ["USER_UNKNOWN"]
    assert [len(rows(database, job)) for job in jobs] == [1, 0, 1]


def test_an_entry_in_the_application_is_written_once_a_job(database: Database, user_id: str) -> None:
    job_id = uuid7()
    for attempt in (1, 2):
        args = NOTICE | {"user_id": user_id}
        assert perform(database, tasks.notify_in_app, args, job_id=job_id, attempt=attempt) == {"in_app": "stored"}
    assert len(rows(database, job_id)) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_an_answer_that_may_change_is_tried_again(post: Callable[..., Any], status: int) -> None:
    receiver = Receiver(status=status, headers={"Retry-After": "17"})
    with http_server(receiver) as url, pytest.raises(TransientError, match=str(status)) as failed:
        post(url)
    assert failed.value.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_an_answer_that_stays_the_same_is_not(database: Database, post: Callable[..., Any], status: int) -> None:
    job_id = uuid7()
    with http_server(Receiver(status=status)) as url, pytest.raises(PermanentError, match=str(status)):
        post(url, job_id=job_id)
    row = rows(database, job_id)["webhook"]
    assert row.status == "refused"
    assert str(status) in (row.reply or "")


def test_a_redirect_is_not_followed(post: Callable[..., Any]) -> None:
    elsewhere = Receiver()
    with http_server(elsewhere) as target, http_server(Receiver(status=307, headers={"Location": target})) as url:
        with pytest.raises(PermanentError, match="redirects are not followed"):
            post(url)
        assert elsewhere.paths == []


def test_an_answer_without_an_end_is_read_no_further_than_needed(post: Callable[..., Any]) -> None:
    with http_server(Receiver(status=200, endless=True)) as url:
        assert post(url) == {"webhook": "HTTP 200"}


def test_a_server_that_says_nothing_is_given_up_after_its_time(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "PATIENCE", 0.3)
    with http_server(Receiver(silent=True)) as url, pytest.raises(TransientError, match="timed out"):
        post(url)


def test_a_server_that_drips_is_cut_off(post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "LONGEST", timedelta(seconds=0.5))
    with rude_server(b"HTTP/1.1 2", drip=True) as place, pytest.raises(TransientError):
        post(f"http://{place}")


@pytest.mark.parametrize("words", [(), (b"garbage\r\n\r\n",)])
def test_a_server_that_does_not_speak_http_is_tried_again(post: Callable[..., Any], words: tuple[bytes, ...]) -> None:
    with rude_server(*words) as place, pytest.raises(TransientError):
        post(f"http://{place}")


def test_a_server_that_is_not_there_is_tried_again(post: Callable[..., Any]) -> None:
    with pytest.raises(TransientError, match="refused"):
        post(f"http://127.0.0.1:{free_port()}")


def test_a_certificate_that_is_not_trusted_gets_nothing(post: Callable[..., Any]) -> None:
    with http_server(Receiver()) as url, pytest.raises(TransientError):
        post(url.replace("http://", "https://"))


def test_a_private_address_is_never_posted_to(database: Database, post: Callable[..., Any]) -> None:
    database.settings = replace(database.settings, allow_private_webhooks=False)
    receiver = Receiver()
    with http_server(receiver) as url:
        port = url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(PermanentError, match="not a public address"):
                post(f"http://{host}:{port}/")
    assert receiver.paths == []


def test_a_name_with_one_private_address_is_never_posted_to(
    database: Database, post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    database.settings = replace(database.settings, allow_private_webhooks=False)
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("93.184.215.14", "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)  # somebody else's resolver
    with pytest.raises(PermanentError, match=r"10\.0\.0\.7"):
        post("http://two-faced.example/")


def test_the_address_that_was_checked_is_the_one_that_is_posted_to(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver()
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, *args: Any, **options: Any) -> Any:
        if host == "hook.example":
            looked_up.append(host)
            host = "127.0.0.1"
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)  # somebody else's resolver
    with http_server(receiver) as url:
        port = url.rpartition(":")[2]
        post(f"http://hook.example:{port}/")
    assert looked_up == ["hook.example"]
    assert receiver.heard[0]["host"] == f"hook.example:{port}"


@pytest.mark.parametrize(
    "url", ["http://user:secret@example.com/", "http://exa mple.com/", "http://example.com:99999/"]
)
def test_a_url_that_cannot_be_posted_to_never_gets_that_far(post: Callable[..., Any], url: str) -> None:
    with pytest.raises(Exception, match=r"(?i)url|not valid") as refused:
        post(url)
    assert "secret" not in str(refused.value)
