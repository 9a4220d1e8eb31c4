"""What lies in the dead-letter queues is recorded, and Postgres is asked before anything is declared dead."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from celery import Celery
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.dead_letters.queries_broker_letters import RAW_LIMIT
from gristmill.shared.states import State
from gristmill.workers.celery.app import make_app
from gristmill.workers.celery.topology import DELIVERY_LIMIT
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.relay.hint import REVIVALS, message_of
from gristmill.workers.repair import recorder as recorder_module
from gristmill.workers.repair.broker_depths import BrokerView
from gristmill.workers.repair.recorder import MOST_REVIVALS, Recorder
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import begin, change, effects, find, hints, insert_job, letters, post, reached, state
from tests.integration.workers.dead_queues import (
    DATA,
    bury,
    give_back,
    hint_of,
    publish,
    reject_one,
    send,
    waiting,
)

pytestmark = pytest.mark.timeout(300, method="thread")


@dataclass
class Desk:
    """A recorder on a broker."""

    database: Database
    url: str
    app: Celery
    recorder: Recorder

    def record_all(self) -> int:
        recorded = 0
        while number := self.recorder.tick():
            recorded += number
        return recorded

    def letters(self) -> list[DeadLetter]:
        with self.database.transaction() as session:
            return list(session.scalars(select(DeadLetter).order_by(DeadLetter.id)))


def desk_on(database_url: str, broker_url: str) -> Iterator[Desk]:
    with reached(database_url, environment={"GRISTMILL_BROKER_URL": broker_url}) as database:
        app = make_app(database.settings)
        view = BrokerView(app, database.settings)
        view.channel()  # declares the queues
        yield Desk(database, broker_url, app, Recorder(database, view))
        view.forget()


@pytest.fixture
def desk(database_url: str, broker_url: str) -> Iterator[Desk]:
    """Once on RabbitMQ and once on Valkey."""
    yield from desk_on(database_url, broker_url)


@pytest.fixture
def rabbit_desk(database_url: str, rabbitmq_url: str) -> Iterator[Desk]:
    yield from desk_on(database_url, rabbitmq_url)


def without_hint(database: Database) -> Any:
    """A job that is due, and whose hint has left the outbox."""
    job = post(database, tasks.effect, key="k")
    change(database, "DELETE FROM gristmill.outbox")
    return job


def make_due(database: Database) -> None:
    """Let the next hint be due, and its job with it."""
    change(database, "UPDATE gristmill.outbox SET due_at = clock_timestamp() - interval '1 second'")
    change(
        database,
        "UPDATE gristmill.jobs SET run_at = (SELECT due_at FROM gristmill.outbox) "
        "WHERE EXISTS (SELECT 1 FROM gristmill.outbox)",
    )


def test_nothing_to_record_is_no_work(desk: Desk) -> None:
    assert desk.record_all() == 0


def test_a_hint_that_expired_in_rabbitmq_is_given_to_its_live_job_again(rabbit_desk: Desk) -> None:
    desk = rabbit_desk
    job = without_hint(desk.database)
    publish(desk.url, desk.app, hint_of(job), expiration=0.01)
    eventually(lambda: waiting(desk.url))
    assert desk.record_all() == 1
    (hint,) = hints(desk.database)
    found = find(desk.database, job)
    assert (hint.job_id, hint.alone, hint.due_at, found.state) == (job, True, found.run_at, State.QUEUED)
    assert desk.letters() == []
    assert waiting(desk.url) == 0


def test_a_hint_that_a_worker_rejected_adds_the_brokers_evidence_to_the_letter_of_its_dead_job(
    rabbit_desk: Desk, executor: Executor
) -> None:
    desk = rabbit_desk
    job = post(desk.database, tasks.fail, times=-1, kind="permanent")
    assert executor.execute([job]) is True
    publish(desk.url, desk.app, hint_of(job, task="demo.fail"))
    reject_one(desk.url)
    eventually(lambda: waiting(desk.url))
    assert desk.record_all() == 1
    (letter,) = desk.letters()
    assert (letter.job_id, letter.reason) == (job, "permanent")
    assert letter.broker is not None
    (death,) = letter.broker["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == (DATA, "rejected", 1)


@pytest.mark.timeout(300, method="thread")
def test_a_hint_that_nobody_acknowledges_is_delivered_so_often_and_revived_so_often_and_then_its_job_is_dead(
    rabbit_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_REVIVALS", 1)
    desk = rabbit_desk
    job = without_hint(desk.database)
    for revivals in range(2):
        publish(desk.url, desk.app, hint_of(job, revivals=revivals))
        give_back(desk.url, DELIVERY_LIMIT + 2)
        eventually(lambda: waiting(desk.url))
        assert desk.record_all() == 1
        if revivals == 0:
            assert [hint.revivals for hint in hints(desk.database)] == [1]
            make_due(desk.database)
            change(desk.database, "DELETE FROM gristmill.outbox")
    (letter,) = letters(desk.database, job)
    assert (state(desk.database, job), letter.reason, letter.error_code) == (
        State.DEAD,
        "delivery_limit",
        "HINT_DELIVERY_LIMIT",
    )
    assert letter.broker is not None
    assert letter.broker["x-death"][0]["reason"] == "delivery_limit"


def test_each_revival_waits_twice_as_long_and_after_many_the_job_is_given_up(desk: Desk) -> None:
    job = without_hint(desk.database)
    waits = []
    for revivals in range(MOST_REVIVALS):
        bury(desk.url, desk.app, hint_of(job, revivals=revivals), "delivery_limit")
        assert desk.record_all() == 1
        (hint,) = hints(desk.database)
        assert hint.revivals == revivals + 1
        with desk.database.transaction() as session:
            waits.append(session.scalar(text("SELECT extract(epoch FROM max(due_at) - now()) FROM gristmill.outbox")))
        make_due(desk.database)
        change(desk.database, "DELETE FROM gristmill.outbox")
    assert [round(float(wait)) for wait in waits] == pytest.approx([2**n for n in range(MOST_REVIVALS)], abs=2)
    bury(desk.url, desk.app, hint_of(job, revivals=MOST_REVIVALS), "delivery_limit")
    assert desk.record_all() == 1
    assert [letter.reason for letter in letters(desk.database, job)] == ["delivery_limit"]


def test_a_hint_that_expires_again_and_again_in_a_long_backlog_does_not_kill_its_job(desk: Desk) -> None:
    """Its queue was full or nobody consumed it: that says nothing about the hint."""
    job = without_hint(desk.database)
    bury(desk.url, desk.app, hint_of(job, revivals=MOST_REVIVALS), "expired")
    assert desk.record_all() == 1
    assert state(desk.database, job) == State.QUEUED
    assert len(hints(desk.database, job)) == 1


def test_an_old_hint_that_is_given_up_does_not_kill_a_job_that_was_tried_meanwhile(desk: Desk) -> None:
    job = post(desk.database, tasks.effect, key="k")  # its own hint waits in the outbox
    bury(desk.url, desk.app, hint_of(job, revivals=MOST_REVIVALS), "delivery_limit")
    assert desk.record_all() == 1
    assert state(desk.database, job) == State.QUEUED
    assert len(hints(desk.database, job)) == 1


@pytest.mark.parametrize("end", [State.SUCCEEDED, State.CANCELLED, State.RUNNING])
def test_a_dead_hint_of_a_job_that_has_ended_or_runs_changes_nothing(desk: Desk, end: State) -> None:
    job = insert_job(desk.database, state=end)
    bury(desk.url, desk.app, hint_of(job))
    assert desk.record_all() == 1
    assert (state(desk.database, job), desk.letters(), hints(desk.database)) == (end, [], [])


def test_a_job_whose_hint_expired_after_the_job_did_is_dead_as_expired(desk: Desk) -> None:
    job = without_hint(desk.database)
    change(desk.database, "UPDATE gristmill.jobs SET expires_at = clock_timestamp() - interval '1 second'")
    bury(desk.url, desk.app, hint_of(job), "expired")
    desk.record_all()
    assert [letter.reason for letter in letters(desk.database, job)] == ["expired"]


def test_a_bundle_is_judged_job_by_job(desk: Desk) -> None:
    waits, done = without_hint(desk.database), insert_job(desk.database, state=State.SUCCEEDED)
    unknown = uuid7()
    bury(desk.url, desk.app, hint_of(waits, done, unknown))
    assert desk.record_all() == 1
    assert [hint.job_id for hint in hints(desk.database)] == [waits]
    (letter,) = desk.letters()
    assert (letter.reason, letter.job_id) == ("malformed", None)
    assert str(unknown) in (letter.error_message or "")


MALFORMED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "no headers": (b"[[[]], {}, {}]", {}, "application/json"),
    "no id": (b"[[[]], {}, {}]", {"task": "demo.effect"}, "application/json"),
    "null": (b"null", {}, "application/json"),
    "a number": (b"5", {}, "application/json"),
    "empty": (b"", {}, "application/json"),
    "not JSON": (b"{'a': 1", {}, "application/json"),
    "not text": (b"\xff\xfe\x00\x80", {}, "application/octet-stream"),
    "a pickle": (b"\x80\x04K\x05.", {}, "application/x-python-serialize"),
    "nested": (b"[" * 100_000 + b"]" * 100_000, {}, "application/json"),
    "large": (b'"' + b"x" * 1_000_000 + b'"', {}, "application/json"),
}


@pytest.mark.parametrize("named", [False, True], ids=["as they are", "with good headers"])
def test_malformed_messages_are_kept_as_letters_with_their_raw_bodies_bounded(desk: Desk, named: bool) -> None:
    for body, headers, content_type in MALFORMED.values():
        good = {"task": "demo.effect", "id": str(uuid7())}
        send(desk.url, body, headers=good if named else headers, content_type=content_type)
    assert desk.record_all() == len(MALFORMED)
    for letter, (body, _, _) in zip(desk.letters(), MALFORMED.values(), strict=True):
        seen = (letter.reason, letter.queue, letter.job_id, letter.error_code)
        assert seen == ("malformed", DATA, None, "HINT_MALFORMED")
        assert letter.error_message
        assert letter.raw_body is not None
        kept = bytes(letter.raw_body)
        assert len(kept) <= RAW_LIMIT
        if desk.url.startswith("amqp"):
            assert kept == body[:RAW_LIMIT]
    assert waiting(desk.url) == 0


NO_IDS: list[Any] = [
    [],
    [[]],
    [["x"]],
    [[1]],
    ["x"],
    [None],
    [[str(uuid7())] * 2, 3],
    [{"a": 1}],
    [["\x00"]],
]


def test_arguments_that_are_no_list_of_ids_are_malformed(desk: Desk) -> None:
    for arguments in NO_IDS:
        body = orjson.dumps([arguments, {}, {}])
        send(desk.url, body, headers={"task": "demo.effect", "id": str(uuid7())})
    assert desk.record_all() == len(NO_IDS)
    assert [letter.reason for letter in desk.letters()] == ["malformed"] * len(NO_IDS)


def test_letters_of_equal_problems_share_a_fingerprint(desk: Desk) -> None:
    for _ in range(2):
        bury(desk.url, desk.app, hint_of(uuid7()))
        send(desk.url, b"null")
    desk.record_all()
    assert len({letter.fingerprint for letter in desk.letters()}) == 2
    assert len(desk.letters()) == 4


def test_headers_that_postgres_cannot_store_are_recorded_all_the_same(rabbit_desk: Desk) -> None:
    nasty = {"task": "a\x00b", "id": "x" * 10_000, "big": 2**62, "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}}}
    send(rabbit_desk.url, b"{}", headers=nasty)
    assert rabbit_desk.record_all() == 1
    (letter,) = rabbit_desk.letters()
    assert letter.reason == "malformed"


def test_counts_of_revivals_that_are_none_of_ours_stop_nothing(rabbit_desk: Desk) -> None:
    strange: list[object] = [2**40, -1, "many", None, True]
    for revivals in strange:
        job = without_hint(rabbit_desk.database)
        headers, _, body = message_of(rabbit_desk.app, hint_of(job))
        death = [{"queue": DATA, "reason": "expired", "count": 1}]
        send(rabbit_desk.url, body, headers={**headers, REVIVALS: revivals, "x-death": death})
    assert rabbit_desk.record_all() == len(strange)
    assert [hint.revivals for hint in hints(rabbit_desk.database)] == [MOST_REVIVALS, 0, 0, 0, 1]


def test_what_was_taken_and_not_written_down_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = without_hint(desk.database)
    bury(desk.url, desk.app, hint_of(job))

    def fail(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(recorder_module, "record", fail)
        with pytest.raises(ConnectionError):
            desk.recorder.tick()
    assert hints(desk.database) == []
    eventually(lambda: desk.record_all() == 1)
    assert [hint.job_id for hint in hints(desk.database)] == [job]


def test_a_message_that_is_recorded_twice_gives_its_job_one_hint(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It died between the commit and the acknowledgement."""
    job = without_hint(desk.database)
    bury(desk.url, desk.app, hint_of(job))

    def die(point: str) -> None:
        if point == "recorder.before_ack":
            raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(recorder_module, "crash_point", die)
        with pytest.raises(KeyboardInterrupt):
            desk.recorder.tick()
    assert len(hints(desk.database)) == 1
    eventually(lambda: desk.record_all() == 1)
    assert len(hints(desk.database)) == 1


def test_two_recorders_side_by_side_record_each_message(
    desk: Desk, database_url: str, make_other: Callable[[], Recorder]
) -> None:
    jobs = [insert_job(desk.database, state=State.QUEUED, attempt=0) for _ in range(6)]
    other = make_other()
    for job in jobs:
        bury(desk.url, desk.app, hint_of(job))
    assert desk.recorder.tick() + other.tick() == 6
    assert sorted(hint.job_id for hint in hints(desk.database)) == sorted(jobs)


@pytest.fixture
def make_other(desk: Desk) -> Iterator[Callable[[], Recorder]]:
    view = BrokerView(desk.app, desk.database.settings)
    yield lambda: Recorder(desk.database, view)
    view.forget()


def test_a_revived_hint_is_worked_on(desk: Desk, executor: Executor) -> None:
    job = without_hint(desk.database)
    bury(desk.url, desk.app, hint_of(job))
    desk.record_all()
    make_due(desk.database)
    executor.execute([job])
    assert (state(desk.database, job), effects(desk.database, "k")) == (State.SUCCEEDED, 1)
    assert begin(desk.database, job) == []
