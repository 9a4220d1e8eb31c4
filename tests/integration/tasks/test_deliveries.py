"""Callbacks reach their producer signed, are tried again while that may help, and cannot be turned against us."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from sqlalchemy import select

from gristmill.client.webhooks import SignatureError, verify_callback
from gristmill.ingress.schemas.jobs import JobDetails
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.redrive import redrive_one
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.enqueue import JobOptions, enqueue
from gristmill.shared.jobs.models import Job
from gristmill.shared.operating.job_details import show_job
from gristmill.shared.outgoing import post as outgoing
from gristmill.shared.outgoing.endpoint import Endpoint
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.webhook_secrets import make_secret
from gristmill.shared.retry import decide
from gristmill.shared.states import DeadReason, State
from gristmill.tasks.callbacks.body import LARGEST
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.repair.reconciler import take_over_lost
from tests import platform_tasks as tasks
from tests.contexts import perform
from tests.factories import FAILURE, attempts, begin, change, find, letters
from tests.integration.tasks.http_servers import Receiver, http_server
from tests.integration.tasks.smtp_servers import rude_server

SHOWN_ELSEWHERE: Final = {"waiting_for", "waiting_evidence", "children"}


@dataclass
class Shop:
    """A producer with a secret, whose jobs call back."""

    database: Database
    id: UUID
    secret: str

    def post(self, url: str, message: str = "m") -> UUID:
        options = JobOptions(callback_url=url, producer_id=self.id)
        with self.database.transaction() as session:
            return enqueue(session, "demo.echo", options, message=message)

    def succeed(self, job: UUID, result: Any = None) -> Job:
        """End a job, and return the delivery of its callback."""
        (claimed,) = begin(self.database, job)
        with self.database.transaction() as session:
            assert moves.succeed(session, [(job, claimed.attempt, result)])
        return self.delivery(job)

    def kill(self, job: UUID) -> Job:
        (claimed,) = begin(self.database, job)
        with self.database.transaction() as session:
            assert moves.kill(session, job, claimed.attempt, reason=DeadReason.PERMANENT, failure=FAILURE)
        return self.delivery(job)

    def delivery(self, job: UUID) -> Job:
        """The latest."""
        with self.database.transaction() as session:
            return session.scalars(select(Job).where(Job.parent_id == job).order_by(Job.id.desc())).all()[0]

    def rotate(self, overlap: timedelta) -> str:
        with self.database.transaction() as session:
            return make_secret(session, self.id, actor="test", overlap=overlap)[1]

    def deliver(self, delivery: Job) -> Any:
        """Run one attempt, as a worker would without settling it."""
        return perform(self.database, tasks.deliver_webhook, delivery.args, job_id=delivery.id)

    def call(self, url: str) -> Any:
        """End a job and run the first attempt of its callback."""
        return self.deliver(self.succeed(self.post(url)))


@pytest.fixture
def shop(database: Database) -> Shop:
    with database.transaction() as session:
        producer = create_producer(session, "shop", ["jobs:write"])
        _, secret = make_secret(session, producer.id, actor="test")
    return Shop(database, producer.id, secret)


@pytest.fixture
def executor(database: Database) -> Executor:
    return Executor(database, worker="w@test", queue="notification_queue")


def make_due(database: Database, job: Job) -> None:
    change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp() WHERE id = :id", id=job.id)


def test_a_producer_is_told_by_a_signed_post_what_the_api_shows(shop: Shop, database: Database) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        job = shop.post(f"{url}/hook?shop=1")
        delivery = shop.succeed(job, {"ok": True})
        assert shop.deliver(delivery) == {"status": 204}
    heard = receiver.heard[0]
    told = verify_callback(heard, receiver.bodies[0], shop.secret)
    assert (receiver.paths, heard["webhook-id"]) == (["/hook?shop=1"], str(delivery.id))
    assert heard["content-type"] == "application/json"
    with database.transaction() as session:
        shown = JobDetails().dump(show_job(session, find(database, job)))
    wanted = orjson.loads(orjson.dumps(shown, option=orjson.OPT_UTC_Z))
    assert told["data"] == {name: value for name, value in wanted.items() if name not in SHOWN_ELSEWHERE}
    assert (told["type"], told["timestamp"]) == ("job.succeeded", wanted["finished_at"])
    assert (told["data"]["result"], told["data"]["args"]) == ({"ok": True}, {"message": "m"})


def test_a_dead_job_is_told_with_its_error(shop: Shop) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        shop.deliver(shop.kill(shop.post(url)))
    told = verify_callback(receiver.heard[0], receiver.bodies[0], shop.secret)
    assert (told["type"], told["data"]["state"]) == ("job.dead", "dead")
    assert told["data"]["error"] == {
        "reason": "permanent",
        "fingerprint": FAILURE.fingerprint,
        "type": FAILURE.type,
        "code": FAILURE.code,
        "message": FAILURE.message,
    }


def test_a_producer_that_may_not_see_payloads_is_told_none(shop: Shop, database: Database) -> None:
    receiver = Receiver()
    change(database, "UPDATE gristmill.producers SET sees_payloads = false")
    with http_server(receiver) as url:
        shop.deliver(shop.succeed(shop.post(url, "hush"), "hush"))
    told = verify_callback(receiver.heard[0], receiver.bodies[0], shop.secret)
    assert (told["data"]["args"], told["data"]["result"]) == (None, None)
    assert b"hush" not in receiver.bodies[0]


def test_both_secrets_sign_while_one_replaces_the_other(shop: Shop, database: Database) -> None:
    receiver = Receiver()
    new = shop.rotate(timedelta(hours=1))
    with http_server(receiver) as url:
        shop.call(url)
        change(
            database, "UPDATE gristmill.webhook_secrets SET expires_at = clock_timestamp() WHERE expires_at IS NOT NULL"
        )
        shop.call(url)
    (during, body), (after, last) = zip(receiver.heard, receiver.bodies, strict=True)
    assert len(during["webhook-signature"].split()) == 2
    for secret in (shop.secret, new):
        assert verify_callback(during, body, secret)["type"] == "job.succeeded"
    assert verify_callback(after, last, new)
    with pytest.raises(SignatureError):
        verify_callback(after, last, shop.secret)
    with pytest.raises(SignatureError):
        verify_callback(during, body + b" ", new)


def test_what_fails_is_tried_again_with_the_same_id_and_body(
    shop: Shop, database: Database, executor: Executor
) -> None:
    receiver = Receiver(status=500, body=b"out of grist")
    with http_server(receiver) as url:
        delivery = shop.succeed(shop.post(url), {"ok": True})
        assert executor.execute([delivery.id]) is False
        assert find(database, delivery.id).state == State.RETRYING
        (attempt,) = attempts(database, delivery.id)
        assert "HTTP 500" in (attempt.error_message or "")
        assert "out of grist" in (attempt.error_message or "")
        receiver.status = 200
        make_due(database, delivery)
        executor.execute([delivery.id])
    ended = find(database, delivery.id)
    assert (ended.state, ended.result) == (State.SUCCEEDED, {"status": 200})
    first, second = receiver.heard
    assert first["webhook-id"] == second["webhook-id"]
    assert receiver.bodies[0] == receiver.bodies[1]
    assert verify_callback(second, receiver.bodies[1], shop.secret)


@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 500, 503])
def test_an_answer_that_may_change_within_hours_is_tried_again_not_before_it_asks(shop: Shop, status: int) -> None:
    receiver = Receiver(status=status, headers={"Retry-After": "1700"})
    with http_server(receiver) as url, pytest.raises(TransientError, match=str(status)) as failed:
        shop.call(url)
    policy = tasks.deliver_webhook.retry
    again = decide(policy, attempt=1, max_attempts=policy.max_attempts, error=failed.value, jitter=0.5)
    assert again.delay == timedelta(seconds=1700)  # type: ignore[union-attr]  # no GiveUp has it


def test_the_gaps_between_tries_grow_over_hours() -> None:
    policy = tasks.deliver_webhook.retry
    gaps = [policy.ceiling(attempt) for attempt in range(1, policy.max_attempts)]
    assert gaps == sorted(gaps)
    assert gaps[0] <= timedelta(seconds=10)
    assert timedelta(hours=12) < sum(gaps, timedelta()) < timedelta(hours=24)


@pytest.mark.parametrize(("status", "code"), [(410, "WEBHOOK_GONE"), (302, "WEBHOOK_REDIRECTED")])
def test_what_stays_as_it_is_becomes_a_dead_letter_with_status_and_answer(
    shop: Shop, database: Database, executor: Executor, status: int, code: str
) -> None:
    elsewhere = Receiver()
    with http_server(elsewhere) as target:
        receiver = Receiver(status=status, headers={"Location": target}, body=b'<b>"moved"</b>\x00' + b"x" * 100_000)
        with http_server(receiver) as url:
            delivery = shop.succeed(shop.post(url))
            assert executor.execute([delivery.id]) is True
    (letter,) = letters(database, delivery.id)
    assert (letter.reason, letter.error_code) == ("permanent", code)
    assert f"HTTP {status}" in (letter.error_message or "")
    assert "<b>'moved'</b>" in (letter.error_message or "")
    assert len(letter.error_message or "") <= 2_000
    assert elsewhere.paths == []


def test_different_words_of_a_receiver_are_one_group_of_dead_letters(
    shop: Shop, database: Database, executor: Executor
) -> None:
    prints = set()
    for words in (b"it's gone", b'"gone" since 7'):
        with http_server(Receiver(status=410, body=words)) as url:
            delivery = shop.succeed(shop.post(url))
            executor.execute([delivery.id])
        prints.add(letters(database, delivery.id)[0].fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_an_end_is_read_no_further_than_its_cap(shop: Shop, status: int) -> None:
    with http_server(Receiver(status=status, endless=True)) as url:
        if status == 200:
            assert shop.call(url) == {"status": 200}
        else:
            with pytest.raises(TransientError) as failed:
                shop.call(url)
            assert len(failed.value.message) < 1_500


def test_a_server_that_says_nothing_is_given_up_after_its_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "PATIENCE", 0.3)
    with http_server(Receiver(silent=True)) as url, pytest.raises(TransientError, match="timed out"):
        shop.call(url)


def test_a_server_that_drips_is_cut_off_by_the_deadline(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "LONGEST", timedelta(seconds=0.5))
    with rude_server(b"HTTP/1.1 2", drip=True) as place, pytest.raises(TransientError):
        shop.call(f"http://{place}")


def test_a_host_of_a_hundred_addresses_that_are_silent_is_given_up_before_all_were_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = 0

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        nonlocal tried
        tried += 1
        return connect_really(address, timeout)

    connect_really = socket.create_connection
    monkeypatch.setattr(outgoing, "CONNECT_PATIENCE", 0.05)
    monkeypatch.setattr(outgoing, "CONNECTING", 0.2)
    with silent_listener() as port:
        monkeypatch.setattr(socket, "create_connection", connect)
        many = Endpoint(scheme="http", host="many.example", port=port, path="/", addresses=["127.0.0.1"] * 100)
        with pytest.raises(TransientError, match="did not take"):
            outgoing.post(many, b"{}", {})
    assert 0 < tried < 100


@contextmanager
def silent_listener() -> Iterator[int]:
    """Yield a port whose queue is full, so that nothing answers who wants to connect."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_a_name_that_leads_elsewhere_at_a_second_look_is_connected_where_the_first_led(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.settings = replace(database.settings, allow_private_webhooks=False)
    answers = ["93.184.215.14", "127.0.0.1", "127.0.0.1"]
    connected: list[tuple[str, int]] = []

    def rebind(_host: str, port: int, **_: Any) -> list[Any]:  # somebody else's resolver
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:  # and the internet
        connected.append(address)
        raise OSError("unreachable from here")

    home = Receiver()
    with http_server(home) as url:
        port = int(url.rpartition(":")[2])
        delivery = shop.succeed(shop.post(f"http://rebinding.example:{port}/"))
        monkeypatch.setattr(socket, "getaddrinfo", rebind)
        monkeypatch.setattr(socket, "create_connection", connect)
        with pytest.raises(TransientError, match="unreachable from here"):
            shop.deliver(delivery)
    assert connected == [("93.184.215.14", port)]
    assert len(answers) == 2
    assert home.paths == []


def test_a_proxy_of_the_environment_hears_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, receiver = Receiver(), Receiver()
    with http_server(proxy) as elsewhere, http_server(receiver) as url:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, elsewhere)
        shop.call(url)
    assert (len(proxy.paths), len(receiver.paths)) == (0, 1)


@pytest.mark.parametrize(
    ("forbidden", "problem"),
    [({"allow_private_webhooks": False}, "not a public address"), ({"allow_http_callbacks": False}, "https://")],
)
def test_what_was_allowed_when_it_was_posted_and_is_not_any_more_is_not_called(
    shop: Shop, database: Database, forbidden: dict[str, Any], problem: str
) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        delivery = shop.succeed(shop.post(url))
        database.settings = replace(database.settings, **forbidden)
        with pytest.raises(PermanentError, match=problem):
            shop.deliver(delivery)
    assert receiver.paths == []


def test_a_job_that_was_redriven_since_is_told_as_it_ended_then(shop: Shop, database: Database) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        job = shop.post(url)
        first = shop.kill(job)
        with database.transaction() as session:
            redrive_one(session, letters(database, job)[0].id, actor="test")
        second = shop.succeed(job, {"ok": True})
        for delivery in (first, second):
            shop.deliver(delivery)
    before, after = (orjson.loads(body) for body in receiver.bodies)
    assert (before["type"], before["data"]["state"], before["data"]["attempt"]) == ("job.dead", "dead", 1)
    assert (before["data"]["result"], before["data"]["error"]["code"]) == (None, FAILURE.code)
    assert [each["attempt"] for each in before["data"]["attempts"]] == [1]
    assert before["timestamp"] == before["data"]["finished_at"] < after["timestamp"]
    assert (after["type"], after["data"]["attempt"], after["data"]["result"]) == ("job.succeeded", 2, {"ok": True})
    assert receiver.heard[0]["webhook-id"] != receiver.heard[1]["webhook-id"]


def test_what_is_too_large_to_be_told_is_left_out_with_the_place_where_it_is(shop: Shop, database: Database) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        job = shop.post(url)
        change(
            database, "UPDATE gristmill.jobs SET args = jsonb_build_object('message', repeat('x', :size))", size=LARGEST
        )
        shop.deliver(shop.succeed(job, "small"))
        other = shop.post(url)
        shop.deliver(shop.succeed(other, "x" * LARGEST))
    large_args, large_result = (orjson.loads(body)["data"] for body in receiver.bodies)
    assert max(map(len, receiver.bodies)) <= LARGEST
    assert (large_args["args"], large_args["result"]) == (None, "small")
    assert large_args["left_out"]["fields"] == ["args"]
    assert f"/api/v1/jobs/{job}" in large_args["left_out"]["hint"]
    assert large_result["result"] is None
    assert "result" in large_result["left_out"]["fields"]


def test_without_a_secret_it_is_a_dead_letter_that_a_redrive_delivers_when_there_is_one(
    shop: Shop, database: Database, executor: Executor
) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        delivery = shop.succeed(shop.post(url))
        change(database, "DELETE FROM gristmill.webhook_secrets")
        executor.execute([delivery.id])
        (letter,) = letters(database, delivery.id)
        assert (letter.error_code, "POST /api/v1/webhook-secret" in (letter.error_message or "")) == (
            "WEBHOOK_SECRET_MISSING",
            True,
        )
        secret = shop.rotate(timedelta(0))
        with database.transaction() as session:
            redrive_one(session, letter.id, actor="test")
        executor.execute([delivery.id])
    assert find(database, delivery.id).state == State.SUCCEEDED
    assert verify_callback(receiver.heard[0], receiver.bodies[0], secret)
    assert receiver.heard[0]["webhook-id"] == str(delivery.id)


def test_a_worker_that_dies_between_the_answer_and_the_commit_leaves_a_repeat_with_the_same_id(
    shop: Shop, database: Database, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """What no handler of errors sees, like SIGKILL."""

    def die(point: str) -> None:
        if point == "executor.after_handler":
            raise Killed

    receiver = Receiver()
    with http_server(receiver) as url:
        delivery = shop.succeed(shop.post(url))
        monkeypatch.setattr("gristmill.workers.execute.outside.crash_point", die)
        with pytest.raises(Killed):
            executor.execute([delivery.id])
        monkeypatch.undo()
        assert find(database, delivery.id).state == State.RUNNING
        change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() WHERE id = :id", id=delivery.id)
        assert take_over_lost(database) == 1
        make_due(database, delivery)
        executor.execute([delivery.id])
    assert find(database, delivery.id).state == State.SUCCEEDED
    assert [heard["webhook-id"] for heard in receiver.heard] == [str(delivery.id)] * 2
    assert receiver.bodies[0] == receiver.bodies[1]


def test_a_delivery_that_nobody_made_tells_of_nothing(
    shop: Shop, database: Database, executor: Executor, post_by_hand: Callable[[dict[str, Any]], UUID]
) -> None:
    receiver = Receiver()
    with http_server(receiver) as url:
        delivery = shop.succeed(shop.post(url))
        forged = post_by_hand(delivery.args)
        executor.execute([forged])
    assert [letter.error_code for letter in letters(database, forged)] == ["CALLBACK_WITHOUT_JOB"]
    assert receiver.paths == []


@pytest.fixture
def post_by_hand(shop: Shop) -> Callable[[dict[str, Any]], UUID]:
    """Post webhook.deliver as a producer could."""

    def post(args: dict[str, Any]) -> UUID:
        with shop.database.transaction() as session:
            return enqueue(session, tasks.deliver_webhook, JobOptions(producer_id=shop.id), **args)

    return post
