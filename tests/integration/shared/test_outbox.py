"""The outbox gives each due hint to one relay: no more than requested, oldest first, none twice."""

from datetime import timedelta

from sqlalchemy import text

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.outbox import count_due, seconds_to_next, take_due
from tests import platform_tasks as tasks
from tests.factories import change, hints, post, post_many


def test_a_taker_gets_no_more_than_it_asks_for(database: Database) -> None:
    # On tables without statistics the planner once executed a sub-select with LIMIT for each row.
    post_many(database, 50, tasks.echo, message="m")
    with database.transaction() as session:
        assert session.scalar(text("SELECT reltuples FROM pg_class WHERE relname = 'outbox'")) == -1
        assert len(take_due(session, limit=7)) == 7
    assert len(hints(database)) == 43


def test_hints_are_taken_in_the_order_they_are_due_and_then_in_that_of_their_writing(database: Database) -> None:
    jobs = post_many(database, 5, tasks.echo, message="m")
    change(database, "UPDATE gristmill.outbox SET due_at = due_at - interval '1 hour' WHERE job_id = :id", id=jobs[3])
    with database.transaction() as session:
        assert [due.job_id for due in take_due(session, limit=10)] == [jobs[3], *jobs[:3], jobs[4]]


def test_two_takers_share_and_a_third_that_rolls_back_gives_back(database: Database) -> None:
    jobs = post_many(database, 10, tasks.echo, message="m")
    with database.session() as one, one.begin() as first, database.session() as two, two.begin():
        mine, theirs = take_due(one, limit=6), take_due(two, limit=6)
        assert [due.job_id for due in mine + theirs] == jobs
        with database.transaction() as third:
            assert take_due(third, limit=6) == []
        first.rollback()
    assert [hint.job_id for hint in hints(database)] == jobs[:6]


def test_a_hint_that_is_ahead_is_not_due_and_the_outbox_knows_when_it_is(database: Database) -> None:
    with database.transaction() as session:
        assert (seconds_to_next(session), count_due(session)) == (None, 0)
    post(database, tasks.echo, JobOptions(delay=timedelta(hours=1)), message="m")
    with database.transaction() as session:
        assert take_due(session, limit=10) == []
        assert count_due(session) == 0
        assert 3500 < (seconds_to_next(session) or 0) <= 3600
    post(database, tasks.echo, message="m")
    with database.transaction() as session:
        assert count_due(session) == 1
        assert (seconds_to_next(session) or 1) <= 0
