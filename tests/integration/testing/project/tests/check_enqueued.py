"""Jobs are listed, by whichever way they were enqueued."""

import os
from datetime import timedelta
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from gristmill import JobOptions, enqueue
from gristmill.shared.errors import UnknownTaskError
from gristmill.testing import Mill, MillError


def test_a_handler_enqueues_with_its_own_end(mill: Mill) -> None:
    mill.run("invoice.send", number="1", to="ada@example.com")
    (job,) = mill.enqueued()
    assert (job.task, job.args["to"], job.state) == ("email.send", "ada@example.com", "queued")
    assert mill.job(job.parent_id or UUID(int=0)).task == "invoice.send"


def test_a_handler_that_fails_has_enqueued_nothing(mill: Mill) -> None:
    mill.run("invoice.send", number="1", to="ada@example.com")
    with pytest.raises(Exception, match="duplicate key"):
        mill.run("invoice.send", number="1", to="eve@example.com")
    assert len(mill.enqueued("email.send")) == 1


def test_an_application_enqueues_in_its_transaction(mill: Mill) -> None:
    engine = create_engine(os.environ["GRISTMILL_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://"))
    with Session(engine) as session:
        enqueue(session, "vault.open", pin="1234")
        assert mill.enqueued() == []
        session.commit()
    engine.dispose()
    assert len(mill.enqueued("vault.open", pin="1234")) == 1
    assert mill.enqueued("vault.open", pin="4321") == []


def test_sql_enqueues_from_any_language(mill: Mill) -> None:
    connection = psycopg2.connect(mill.url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT gristmill.enqueue('count.up', '{\"number\": 7}')")
    connection.close()
    mill.drain()
    assert [job.result for job in mill.enqueued("count.up", number=7)] == [70]


def test_a_producer_posts_over_http(mill: Mill) -> None:
    answer = mill.client().post("/api/v1/jobs", json={"task": "count.up", "args": {"number": 7}})
    assert answer.status_code == 202
    (job,) = mill.enqueued("count.up")
    assert str(job.id) == answer.get_json()["id"]
    assert job.producer_id


def test_a_schedule_enqueues_when_it_fires(mill: Mill) -> None:
    mill.run_until(days=7)
    assert len(mill.enqueued("invoice.send", to="canteen@example.com")) == 5


def test_the_options_of_a_job_are_seen(mill: Mill) -> None:
    mill.enqueue("count.up", JobOptions(delay=timedelta(hours=1), tags=("a",), priority="high"), number=1)
    (job,) = mill.enqueued()
    assert (job.state, job.tags, job.priority, job.queue) == ("scheduled", ("a",), "high", "priority_queue")
    assert timedelta(minutes=59) < job.run_at - mill.now() <= timedelta(hours=1)


def test_a_name_that_no_job_can_have_is_refused_instead_of_found_nowhere(mill: Mill) -> None:
    with pytest.raises(UnknownTaskError, match=r"Did you mean email.send"):
        mill.enqueued("emial.send")
    with pytest.raises(MillError, match=r"email.send has no argument recipient, so no job can match; it has context"):
        mill.enqueued("email.send", recipient="ada@example.com")
    with pytest.raises(MillError, match="Arguments belong to a task"):
        mill.enqueued(to="ada@example.com")


def test_no_job_says_which_ones_there_are(mill: Mill) -> None:
    mill.enqueue("count.up", number=1)
    assert repr(mill.enqueued("count.up", number=2)) == "[] (enqueued were: count.up {'number': 1})"


def test_a_session_of_the_mill_enqueues_and_rolls_back(mill: Mill) -> None:
    with mill.session() as session:
        enqueue(session, "count.up", number=1)
        session.rollback()
    with mill.session() as session:
        enqueue(session, "count.up", number=2)
    assert [job.args for job in mill.enqueued()] == [{"number": 2}]
