"""The test kit runs the platform's own code on a database of each test, while time moves."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from gristmill import Discard, JobOptions, enqueue
from gristmill.shared.errors import InvalidArgsError, PermanentError, UnknownTaskError
from gristmill.testing import Mill, MillError
from gristmill.testing.time_columns import NOT_MOVED, TIME_COLUMNS
from tests import platform_tasks as tasks


def post(mill: Mill, task: str, options: JobOptions | None = None, **args: Any) -> UUID:
    with mill.session() as session:
        return enqueue(session, task, options, **args)


def test_a_task_is_run_and_what_it_did_is_committed(mill: Mill) -> None:
    assert mill.run("demo.echo", message="hello") == {"message": "hello"}
    mill.run(tasks.effect, key="k")
    with mill.session() as session:
        assert session.execute(text("SELECT count(*) FROM gristmill.demo_effects WHERE key = 'k'")).scalar_one() == 1


def test_a_handler_that_fails_fails_the_test_and_leaves_nothing(mill: Mill) -> None:
    with pytest.raises(PermanentError):
        mill.run("demo.fail", times=-1, kind="permanent")
    assert mill.enqueued() == []


def test_arguments_are_checked_as_at_the_door(mill: Mill) -> None:
    with pytest.raises(InvalidArgsError) as refused:
        mill.run("demo.echo", massage="hello")
    assert set(refused.value.details) == {"args.massage", "args.message"}
    with pytest.raises(UnknownTaskError):
        mill.run("demo.ecco", message="hello")


def test_an_outcome_that_is_no_success_keeps_nothing(mill: Mill) -> None:
    args = {"email": "ada@example.com", "password": "Correct-horse-1", "full_name": "Ada"}
    mill.run("user.create", **args)
    again = mill.run("user.create", **args)
    assert isinstance(again, Discard)
    assert len(mill.enqueued("email.send")) == 1


def test_what_a_handler_enqueues_is_seen_and_drained_and_its_mail_is_caught(mill: Mill) -> None:
    mill.run("user.create", email="ada@example.com", password="Correct-horse-1", full_name="Ada")
    (mail,) = mill.enqueued("email.send", to="ada@example.com")
    assert (mail.queue, mail.state) == ("email_queue", "queued")
    assert mill.enqueued("email.send", to="eve@example.com") == []
    (ended,) = mill.drain()
    assert (ended.id, ended.state) == (mail.id, "succeeded")
    assert mill.enqueued() == []
    (caught,) = mill.mails()
    assert (caught["to"], caught["subject"]) == ("ada@example.com", "Confirm your e-mail address")
    assert mill.mails() == []


def test_a_failed_attempt_is_retried_when_time_has_moved(mill: Mill) -> None:
    job = post(mill, "demo.fail", times=1)
    (first,) = mill.drain()
    assert (first.id, first.state, first.attempt) == (job, "retrying", 1)
    assert first.error
    assert mill.drain() == []
    mill.advance(minutes=5)
    (second,) = mill.drain()
    assert (second.id, second.state, second.attempt) == (job, "succeeded", 2)


def test_a_job_in_the_future_waits_for_its_time_and_expires_after_its_own(mill: Mill) -> None:
    later = post(mill, "demo.echo", JobOptions(delay=timedelta(hours=3)), message="later")
    mill.drain()
    mill.advance(hours=2)
    mill.drain()
    assert mill.job(later).state == "scheduled"
    mill.advance(hours=1, seconds=1)
    mill.drain()
    assert mill.job(later).state == "succeeded"
    late = post(mill, "demo.echo", message="late")
    mill.advance(hours=7)  # the queue's jobs live for six
    mill.drain()
    assert mill.job(late).state == "dead"


def test_a_day_passes_from_event_to_event(mill: Mill) -> None:
    job = post(mill, "demo.fail", times=2)
    ended = mill.run_until(hours=24)
    assert mill.job(job).state == "succeeded"
    assert mill.job(job).attempt == 3
    fired = [each for each in ended if each.task == "processing.aggregate_hour"]
    assert len(fired) == 24
    with mill.session() as session:
        times = session.execute(text("SELECT fire_at FROM gristmill.fires ORDER BY 1")).scalars().all()
    assert [each - times[0] for each in times] == [timedelta(hours=number) for number in range(24)]
    assert {(each.minute, each.second) for each in times} == {(0, 0)}  # on the hour of the clock that moves


def test_jobs_that_enqueue_each_other_without_an_end_are_told_by_their_tasks(mill: Mill) -> None:
    for number in range(5):
        post(mill, "demo.echo", message=str(number))
    with pytest.raises(MillError, match=r"More than 3 attempts, and jobs are due still: demo.echo"):
        mill.drain(limit=3)


def test_the_ingress_accepts_what_the_kit_executes(mill: Mill) -> None:
    answer = mill.http().post("/api/v1/jobs", json={"task": "demo.echo", "args": {"message": "hello"}})
    assert answer.status_code == 202
    (ended,) = mill.drain()
    assert (str(ended.id), ended.result) == (answer.get_json()["id"], {"message": "hello"})


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_has_a_database_of_its_own(mill: Mill, number: int) -> None:
    assert mill.enqueued() == []
    post(mill, "demo.echo", message=str(number))


def test_every_time_of_the_platform_moves_or_is_named_as_one_that_stays(mill: Mill) -> None:
    query = text(
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'gristmill' AND data_type LIKE 'timestamp%'"
    )
    with mill.session() as session:
        there = set(session.execute(query).scalars())
    assert there == {f"{table}.{column}" for table, columns in TIME_COLUMNS.items() for column in columns} | NOT_MOVED
