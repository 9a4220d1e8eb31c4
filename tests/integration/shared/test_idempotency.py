"""Idempotency keys: they repeat their answer for 24 hours of the database's clock, and are pruned then."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions, accept, prepare
from gristmill.shared.jobs.idempotency import find_stored_answers, prune_keys
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.jobs.terms import NewJob
from gristmill.shared.producers.queries import create_producer
from tests import platform_tasks as tasks


@pytest.fixture
def producer_id(database: Database) -> UUID:
    with database.transaction() as session:
        return create_producer(session, "keyed", ["jobs:write"]).id


def keyed(database: Database, producer_id: UUID, key: str, *, unique_key: str | None = None) -> NewJob:
    options = JobOptions(producer_id=producer_id, unique_key=unique_key)
    job = prepare(tasks.echo, {"message": "x"}, options, secret_key=database.settings.secret_key)
    return job.with_idempotency_key(key, "the body")


def post(database: Database, *jobs: NewJob) -> list[Accepted]:
    with database.transaction() as session:
        results = accept(session, list(jobs))
    return [result for result in results if isinstance(result, Accepted)]


def age_keys(database: Database, by: timedelta) -> None:
    with database.transaction() as session:
        session.execute(
            text("UPDATE gristmill.idempotency_keys SET expires_at = expires_at - CAST(:by AS interval)"), {"by": by}
        )


def test_a_key_is_good_for_24_hours_and_then_makes_a_new_job(database: Database, producer_id: UUID) -> None:
    [first] = post(database, keyed(database, producer_id, "k"))
    age_keys(database, timedelta(hours=23, minutes=59))
    [again] = post(database, keyed(database, producer_id, "k"))
    assert (again.id, again.replayed) == (first.id, True)
    age_keys(database, timedelta(minutes=2))
    [new] = post(database, keyed(database, producer_id, "k"))
    assert new.id != first.id
    assert not new.replayed
    [replay] = post(database, keyed(database, producer_id, "k"))
    assert (replay.id, replay.replayed) == (new.id, True)


def test_a_replay_repeats_the_first_answer_whatever_became_of_the_job(database: Database, producer_id: UUID) -> None:
    [first] = post(database, keyed(database, producer_id, "k"))
    with database.transaction() as session:
        session.execute(
            text(
                "UPDATE gristmill.jobs "
                "SET state = 'succeeded', finished_at = now(), run_at = now() + interval '1 hour', "
                "expires_at = now() + interval '9 hours'"
            )
        )
    [again] = post(database, keyed(database, producer_id, "k"))
    assert (again.state, again.run_at, again.expires_at) == (first.state, first.run_at, first.expires_at)


def test_a_key_whose_job_has_a_live_duplicate_refers_to_that_duplicate(database: Database, producer_id: UUID) -> None:
    [duplicate] = post(database, keyed(database, producer_id, "first", unique_key="u"))
    found = post(database, *(keyed(database, producer_id, f"k{number}", unique_key="u") for number in range(3)))
    again = post(database, *(keyed(database, producer_id, f"k{number}", unique_key="u") for number in range(3)))
    assert {one.id for one in found} == {one.id for one in again} == {duplicate.id}
    assert all(one.duplicate and not one.replayed for one in found)
    assert all(one.duplicate and one.replayed for one in again)


def test_statements_that_take_the_same_keys_in_another_order_do_not_deadlock(
    database: Database, producer_id: UUID
) -> None:
    names = [f"k{number}" for number in range(40)]

    def post_all(backwards: bool) -> list[Accepted]:
        order = list(reversed(names)) if backwards else names
        return post(database, *(keyed(database, producer_id, name, unique_key=name) for name in order))

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(post_all, [False, True] * 9))
    assert [len(each) for each in results] == [40] * 18
    assert len({one.id for each in results for one in each}) == 40
    with database.transaction() as session:
        deadlocks = session.execute(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
        assert deadlocks.scalar_one() == 0


def test_expired_keys_are_pruned_in_portions_that_skip_locked_ones(database: Database, producer_id: UUID) -> None:
    post(database, *(keyed(database, producer_id, f"old{number}") for number in range(5)))
    age_keys(database, timedelta(hours=25))
    post(database, keyed(database, producer_id, "new"))
    with database.transaction() as holder:
        holder.execute(text("SELECT FROM gristmill.idempotency_keys WHERE key = 'old0' FOR UPDATE"))
        with database.transaction() as session:
            assert prune_keys(session, limit=3) == 3
            assert prune_keys(session, limit=3) == 1
    with database.transaction() as session:
        assert prune_keys(session, limit=3) == 1
        assert prune_keys(session, limit=3) == 0
        keys = [(producer_id, key) for key in ("new", "old1")]
        assert set(find_stored_answers(session, keys)) == {(producer_id, "new")}
