"""Every end of a job with a callback_url writes one delivery in its own transaction, and no other move writes any."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.redrive import redrive_one
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.callbacks import EVENTS, RETRY, TASK
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.models import Job
from gristmill.shared.jobs.quota import remaining_quota
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.states import FINAL, MOVES, DeadReason, Move, State
from tests.factories import FAILURE, begin, change, find, hints, insert_job, letters, post

URL: Final = "https://shop.example/hook?key=1"
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PAST: Final = text("clock_timestamp() - interval '1 second'")
SOON: Final = timedelta(minutes=1)

Act = Callable[[Session, UUID], Any]
ENDS: Final[dict[Move, tuple[State, Act]]] = {
    Move.SUCCEED: (State.RUNNING, lambda session, job: moves.succeed(session, [(job, 1, {"ok": True})])),
    Move.KILL: (
        State.RUNNING,
        lambda session, job: moves.kill(session, job, 1, reason=DeadReason.EXHAUSTED, failure=FAILURE),
    ),
    Move.EXPIRE: (State.QUEUED, lambda session, job: moves.expire(session, [job])),
    Move.GIVE_UP: (State.QUEUED, lambda session, job: moves.give_up(session, [job], broker={})),
    Move.CANCEL: (State.RUNNING, lambda session, job: moves.cancel(session, job, 1, reason="unwanted")),
    Move.CANCEL_WAITING: (State.RETRYING, lambda session, job: moves.cancel_waiting(session, [job])),
}
GOES_ON: Final[dict[Move, tuple[State, Act]]] = {
    Move.CLAIM: (State.QUEUED, lambda session, job: moves.claim(session, [job], worker="w", lease=5)),
    Move.RETRY: (State.RUNNING, lambda session, job: moves.retry(session, job, 1, delay=SOON, failure=FAILURE)),
    Move.SNOOZE: (State.RUNNING, lambda session, job: moves.snooze(session, job, 1, delay=SOON)),
    Move.GIVE_BACK: (State.RUNNING, lambda session, job: moves.give_back(session, [(job, 1)])),
    Move.RUN_NOW: (State.SCHEDULED, moves.run_now),
    Move.REDRIVE: (State.DEAD, lambda session, job: moves.redrive(session, [job], actor="test")),
}


def insert(database: Database, state: State, move: Move, **values: Any) -> UUID:
    """Write a job that `move` can act on."""
    more: dict[Move, dict[str, Any]] = {
        Move.EXPIRE: {"expires_at": PAST},
        Move.RUN_NOW: {"run_at": text("clock_timestamp() + interval '1 hour'")},
    }
    return insert_job(database, state=state, callback_url=URL, **more.get(move, {}), **values)


def deliveries(database: Database, job_id: UUID) -> list[Job]:
    with database.transaction() as session:
        return list(session.scalars(select(Job).where(Job.parent_id == job_id).order_by(Job.id)))


def test_every_move_into_a_final_state_is_looked_at_here() -> None:
    assert ENDS.keys() == {move for move, transition in MOVES.items() if transition.target in FINAL}
    assert ENDS.keys() | GOES_ON.keys() == set(Move)


@pytest.mark.parametrize("move", ENDS)
def test_an_end_writes_one_delivery_with_its_hint_and_a_second_try_none(table_database: Database, move: Move) -> None:
    state, act = ENDS[move]
    producer = uuid7()
    job = insert(table_database, state, move, producer_id=producer, traceparent=TRACE)
    for expected in (1, 1):
        with table_database.transaction() as session:
            act(session, job)
        assert len(deliveries(table_database, job)) == expected
    ended = find(table_database, job)
    assert ended.state == MOVES[move].target
    (delivery,) = deliveries(table_database, job)
    assert (delivery.task, delivery.queue, delivery.state) == (TASK, "notification_queue", State.QUEUED)
    assert (delivery.producer_id, delivery.traceparent) == (producer, TRACE)
    assert (delivery.max_attempts, delivery.expires_at) == (RETRY.max_attempts, None)
    assert delivery.callback_url is None
    assert delivery.id.version == 7
    assert delivery.args["event"] in EVENTS
    assert datetime.fromisoformat(delivery.args["ended_at"]) == ended.finished_at
    assert delivery.args == {
        "url": URL,
        "event": f"job.{ended.state}",
        "ended_at": delivery.args["ended_at"],
        "attempt": ended.attempt,
    }
    assert [hint.due_at for hint in hints(table_database, delivery.id)] == [delivery.run_at]


@pytest.mark.parametrize("move", ENDS)
def test_an_end_that_is_rolled_back_leaves_no_delivery(table_database: Database, move: Move) -> None:
    state, act = ENDS[move]
    job = insert(table_database, state, move)
    with table_database.session() as session:
        act(session, job)
        session.rollback()
    assert find(table_database, job).state == state
    assert not deliveries(table_database, job)


@pytest.mark.parametrize("move", ENDS)
def test_a_job_without_a_callback_ends_without_a_delivery(table_database: Database, move: Move) -> None:
    state, act = ENDS[move]
    job = insert(table_database, state, move)
    change(table_database, "UPDATE gristmill.jobs SET callback_url = NULL WHERE id = :id", id=job)
    with table_database.transaction() as session:
        act(session, job)
    assert find(table_database, job).state == MOVES[move].target
    assert not deliveries(table_database, job)


@pytest.mark.parametrize("move", GOES_ON)
def test_a_move_that_is_no_end_writes_no_delivery(table_database: Database, move: Move) -> None:
    state, act = GOES_ON[move]
    job = insert(table_database, state, move)
    with table_database.transaction() as session:
        act(session, job)
    assert not deliveries(table_database, job)


@pytest.mark.parametrize("move", ENDS)
def test_a_session_that_commits_by_itself_ends_no_job(table_database: Database, move: Move) -> None:
    state, act = ENDS[move]
    job = insert(table_database, state, move)
    with table_database.autocommit() as session, pytest.raises(RuntimeError, match="in a transaction"):
        act(session, job)
    assert find(table_database, job).state == state


def test_each_job_of_a_bundle_that_wants_one_gets_its_delivery(table_database: Database) -> None:
    jobs = [insert(table_database, State.RUNNING, Move.SUCCEED) for _ in range(5)]
    silent = insert_job(table_database, state=State.RUNNING)
    with table_database.transaction() as session:
        assert moves.succeed(session, [(job, 1, None) for job in [*jobs, silent]]) == {*jobs, silent}
    assert [len(deliveries(table_database, job)) for job in [*jobs, silent]] == [1, 1, 1, 1, 1, 0]


def test_a_redriven_job_that_ends_again_calls_again_under_another_id(database: Database) -> None:
    job = post(database, "demo.echo", JobOptions(callback_url=URL), message="m")
    for _ in range(2):
        (claimed,) = begin(database, job)
        with database.transaction() as session:
            assert moves.kill(session, job, claimed.attempt, reason=DeadReason.PERMANENT, failure=FAILURE)
        with database.transaction() as session:
            (letter,) = [each for each in letters(database, job) if each.resolution is None]
            redrive_one(session, letter.id, actor="test")
    first, second = deliveries(database, job)
    assert first.id != second.id
    assert (first.args["attempt"], second.args["attempt"]) == (1, 2)


def test_a_delivery_never_calls_back_itself(database: Database) -> None:
    job = insert(database, State.RETRYING, Move.CANCEL_WAITING)
    with database.transaction() as session:
        cancel_job(session, job, actor="test")
    (delivery,) = deliveries(database, job)
    with database.transaction() as session:
        cancel_job(session, delivery.id, actor="test")
    assert find(database, delivery.id).state == State.CANCELLED
    assert not deliveries(database, delivery.id)


def test_a_delivery_takes_no_room_of_its_producers_quota(database: Database) -> None:
    with database.transaction() as session:
        producer = create_producer(session, "p", ["jobs:write"], quota=2).id
    job = insert(database, State.RUNNING, Move.SUCCEED, producer_id=producer)
    with database.transaction() as session:
        assert remaining_quota(session, {producer: 2}) == {producer: 1}
        moves.succeed(session, [(job, 1, None)])
    assert len(deliveries(database, job)) == 1
    with database.transaction() as session:
        assert remaining_quota(session, {producer: 2}) == {producer: 2}
