"""Jobs are accepted in the caller's transaction: all or none, each key once, also under concurrency."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import func, select, text
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.errors import IdempotencyConflictError, InvalidArgsError, UnknownTaskError
from gristmill.shared.jobs.enqueue import JobOptions, Refusal, accept, enqueue, prepare
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.jobs.models import IdempotencyKey, Job, Outbox
from gristmill.shared.jobs.terms import NewJob
from gristmill.shared.states import State
from tests import platform_tasks as tasks
from tests.factories import begin, change, find, hints, post

PRODUCER, OTHER_PRODUCER = uuid7(), uuid7()


def prepared(database: Database, *, message: str = "m", producer: UUID = PRODUCER, **options: Any) -> NewJob:
    chosen = JobOptions(producer_id=producer, **options)
    return prepare(tasks.echo, {"message": message}, chosen, secret_key=database.settings.secret_key)


def accept_all(database: Database, *jobs: NewJob) -> list[Accepted | Refusal]:
    with database.transaction() as session:
        return accept(session, list(jobs))


def accepted(result: Accepted | Refusal) -> Accepted:
    assert isinstance(result, Accepted)
    return result


def count(database: Database, table: type[Any]) -> int:
    with database.transaction() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


class ChangeOfMindError(Exception):
    """An error that ends the caller's transaction."""


def test_a_job_exists_if_and_only_if_its_producers_transaction_commits(database: Database) -> None:
    def change_mind() -> None:
        with database.transaction() as session:
            enqueue(session, tasks.echo, message="m")
            accept(session, [prepared(database).with_idempotency_key("k", "h")])
            raise ChangeOfMindError

    with pytest.raises(ChangeOfMindError):
        change_mind()
    assert [count(database, table) for table in (Job, Outbox, IdempotencyKey)] == [0, 0, 0]
    job = post(database, tasks.echo, message="m")
    assert [hint.job_id for hint in hints(database)] == [job]
    found = find(database, job)
    assert (found.state, found.attempt, found.max_attempts, found.args) == (State.QUEUED, 0, 3, {"message": "m"})
    assert found.run_at == found.created_at
    assert found.expires_at == found.run_at + timedelta(hours=6)


def test_what_does_not_fit_is_refused_before_anything_is_written(database: Database) -> None:
    with database.transaction() as session:
        with pytest.raises(InvalidArgsError):
            enqueue(session, tasks.echo, message=7)
        with pytest.raises(InvalidArgsError, match="cannot be written as JSON"):
            enqueue(session, tasks.echo, message=object())
        with pytest.raises(UnknownTaskError):
            enqueue(session, "demo.of_tomorrow")
    assert count(database, Job) == 0


def test_arguments_are_stored_as_json_writes_them(database: Database) -> None:
    user = uuid7()
    assert find(database, post(database, "user.send_verification", user_id=user)).args == {"user_id": str(user)}


def test_sealed_arguments_cannot_be_read_in_the_row(database: Database) -> None:
    person = {"email": "ada@mill.example", "password": "Correct-horse-1", "full_name": "Ada"}
    job = post(database, tasks.create_user, **person)
    with database.transaction() as session:
        row = session.execute(
            text("SELECT CAST(jobs AS text) FROM gristmill.jobs WHERE id = :id"), {"id": job}
        ).scalar_one()
    assert "Correct-horse" not in row
    assert "ada@mill.example" in row


@pytest.mark.parametrize(
    ("options", "state", "after"),
    [
        ({}, State.QUEUED, timedelta(0)),
        ({"delay": timedelta(minutes=5)}, State.SCHEDULED, timedelta(minutes=5)),
        ({"delay": timedelta(0)}, State.QUEUED, timedelta(0)),
        ({"run_at": datetime(2001, 1, 1, tzinfo=UTC)}, State.QUEUED, timedelta(0)),
    ],
)
def test_a_job_runs_at_its_time_and_one_of_the_past_runs_now(
    database: Database, options: dict[str, Any], state: State, after: timedelta
) -> None:
    found = find(database, post(database, tasks.echo, JobOptions(**options), message="m"))
    assert (found.state, found.run_at) == (state, found.created_at + after)
    assert [hint.due_at for hint in hints(database)] == [found.run_at]
    assert found.expires_at == found.run_at + timedelta(hours=6)


def test_a_time_ahead_and_an_expiry_of_its_own_are_kept(database: Database) -> None:
    run_at = datetime(2990, 1, 1, tzinfo=UTC)
    options = JobOptions(run_at=run_at, expires_at=run_at + timedelta(seconds=1), max_attempts=7, tags=("a", "b"))
    found = find(database, post(database, tasks.echo, options, message="m"))
    assert (found.state, found.run_at, found.expires_at) == (State.SCHEDULED, run_at, run_at + timedelta(seconds=1))
    assert (found.max_attempts, found.tags) == (7, ["a", "b"])


def test_a_queue_without_a_time_to_live_keeps_its_jobs(database: Database) -> None:
    assert find(database, post(database, "user.send_verification", user_id=uuid7())).expires_at is None


def test_an_urgent_job_goes_through_the_priority_queue(database: Database) -> None:
    found = find(database, post(database, tasks.echo, JobOptions(priority="high"), message="m"))
    assert (found.queue, found.expires_at) == ("priority_queue", found.run_at + timedelta(minutes=5))
    assert [hint.queue for hint in hints(database)] == ["priority_queue"]


def test_a_child_knows_its_parent(database: Database) -> None:
    parent, child = uuid7(), uuid7()
    options = JobOptions(tags=("t",)).child_of(parent, "00-trace")
    found = find(database, post(database, tasks.echo, options, message="m"))
    assert (found.parent_id, found.traceparent, found.tags) == (parent, "00-trace", ["t"])
    assert JobOptions(traceparent="its own").child_of(child, "00-trace").traceparent == "its own"


def test_while_a_job_with_a_unique_key_lives_there_is_no_second_one(database: Database) -> None:
    first, second = (accepted(accept_all(database, prepared(database, unique_key="u"))[0]) for _ in range(2))
    assert (second.id, first.duplicate, second.duplicate) == (first.id, False, True)
    assert len(hints(database)) == 1
    begin(database, first.id)
    assert accepted(accept_all(database, prepared(database, unique_key="u"))[0]).id == first.id
    change(
        database,
        "UPDATE gristmill.jobs SET state = 'succeeded', finished_at = clock_timestamp(), lease_until = NULL",
    )
    third = accepted(accept_all(database, prepared(database, unique_key="u"))[0])
    assert (third.id != first.id, third.duplicate) == (True, False)


def test_a_unique_key_counts_for_one_producer_and_task(database: Database) -> None:
    jobs = [prepared(database, unique_key="u"), prepared(database, unique_key="u", producer=OTHER_PRODUCER)]
    results = accept_all(database, *jobs)
    assert [accepted(result).id for result in results] == [job.id for job in jobs]


def test_twins_in_one_statement_become_one_job(database: Database) -> None:
    twins = [prepared(database, unique_key="u") for _ in range(3)]
    results = [accepted(result) for result in accept_all(database, *twins, prepared(database))]
    assert {result.id for result in results[:3]} == {twins[0].id}
    assert [result.duplicate for result in results] == [False, True, True, False]
    assert (count(database, Job), count(database, Outbox)) == (2, 2)


def test_the_same_idempotency_key_and_body_is_answered_with_the_first_job(database: Database) -> None:
    first = accepted(accept_all(database, prepared(database).with_idempotency_key("k", "h"))[0])
    change(database, "UPDATE gristmill.jobs SET state = 'running', lease_until = clock_timestamp()")
    again = accepted(accept_all(database, prepared(database).with_idempotency_key("k", "h"))[0])
    assert (again.id, again.replayed, again.state) == (first.id, True, first.state)  # as in the first answer
    assert (again.created_at, again.run_at) == (first.created_at, first.run_at)
    assert count(database, Job) == 1


def test_the_same_idempotency_key_with_another_body_is_a_conflict_and_its_neighbours_are_accepted(
    database: Database,
) -> None:
    accept_all(database, prepared(database).with_idempotency_key("k", "h"))
    other, good = prepared(database).with_idempotency_key("k", "another"), prepared(database)
    conflict, neighbour = accept_all(database, other, good)
    assert isinstance(conflict, IdempotencyConflictError)
    assert "'k' was used with another body" in conflict.message
    assert accepted(neighbour).id == good.id
    assert count(database, Job) == 2


def test_an_idempotency_key_counts_for_one_producer_and_for_a_day(database: Database) -> None:
    one = prepared(database).with_idempotency_key("k", "h")
    other = prepared(database, producer=OTHER_PRODUCER).with_idempotency_key("k", "another")
    assert [accepted(result).replayed for result in accept_all(database, one, other)] == [False, False]
    change(database, "UPDATE gristmill.idempotency_keys SET expires_at = clock_timestamp() - interval '1 second'")
    fresh = accepted(accept_all(database, prepared(database).with_idempotency_key("k", "new body"))[0])
    assert not fresh.replayed
    assert count(database, Job) == 3


def test_twins_of_one_idempotency_key_in_one_statement_become_one_job(database: Database) -> None:
    jobs = [prepared(database).with_idempotency_key("k", body) for body in ("h", "h", "another")]
    results = accept_all(database, *jobs)
    kept = [result for result in results if isinstance(result, Accepted)]
    assert len({result.id for result in kept}) == 1
    assert count(database, Job) == count(database, Outbox) == 1
    assert sum(isinstance(result, IdempotencyConflictError) for result in results) in (1, 2)
    assert [result.replayed for result in kept] == [False, True][: len(kept)]


@pytest.mark.parametrize("kind", ["unique", "idempotent"])
def test_of_many_who_ask_for_the_same_at_once_one_makes_the_job_and_all_are_told_of_it(
    database: Database, kind: str
) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> Accepted:
        job = prepared(database, unique_key="u" if kind == "unique" else None)
        if kind == "idempotent":
            job = job.with_idempotency_key("k", "h")
        together.wait(60)
        return accepted(accept_all(database, job)[0])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(8)))
    assert len({result.id for result in results}) == 1
    assert sum(not (result.replayed or result.duplicate) for result in results) == 1
    assert (count(database, Job), count(database, Outbox)) == (1, 1)


def test_a_thousand_jobs_are_one_statement_and_told_in_order(database: Database) -> None:
    jobs = [prepared(database, message=str(number)) for number in range(1000)]
    results = accept_all(database, *jobs)
    assert [accepted(result).id for result in results] == [job.id for job in jobs]
    with database.transaction() as session:
        messages = {job.id: job.args["message"] for job in session.scalars(select(Job))}
    assert [messages[job.id] for job in jobs] == [str(number) for number in range(1000)]


@pytest.mark.parametrize("message", ["", "é✓😀", "'; DROP TABLE gristmill.jobs; --", '"\\', "x" * 10_000])
def test_texts_come_back_as_they_were(database: Database, message: str) -> None:
    job = post(database, tasks.echo, message=message)
    assert orjson.dumps(find(database, job).args) == orjson.dumps({"message": message})
