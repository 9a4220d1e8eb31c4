"""One attempt: what it returns, what it raises, and what it leaves."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gristmill import Cancel, Discard, JobOptions, PermanentError, Snooze, TransientError
from gristmill.shared.errors import InvalidArgsError, JobNotFoundError, UnknownTaskError
from gristmill.testing import Mill, MillError


def count(mill: Mill, table: str) -> int:
    with mill.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_run_returns_the_result_and_commits_the_effects_with_the_end_of_the_job(mill: Mill) -> None:
    assert mill.run("invoice.send", number="1", to="ada@example.com") == {"number": "1", "attempt": 1}
    assert count(mill, "invoices") == 1
    assert count(mill, "gristmill.jobs WHERE state = 'succeeded' AND task = 'invoice.send' AND attempt = 1") == 1


def test_each_test_has_a_database_of_its_own(mill: Mill) -> None:
    test_run_returns_the_result_and_commits_the_effects_with_the_end_of_the_job(mill)
    assert count(mill, "invoices") == 1


@pytest.mark.parametrize(
    ("kind", "error", "state"),
    [
        ("transient", TransientError, "retrying"),
        ("permanent", PermanentError, "dead"),
        ("plain", ZeroDivisionError, "retrying"),
    ],
)
def test_run_raises_what_the_handler_raises_and_rolls_back(
    mill: Mill, kind: str, error: type[Exception], state: str
) -> None:
    with pytest.raises(error, match=kind):
        mill.run("odd.fail", kind=kind)
    assert count(mill, "calls") == 0
    assert count(mill, f"gristmill.jobs WHERE state = '{state}'") == 1
    assert count(mill, "gristmill.attempts WHERE outcome = 'failed' AND traceback LIKE '%odd_jobs.py%'") == 1


def test_run_raises_what_the_database_says_to_the_rows_of_the_handler(mill: Mill) -> None:
    with pytest.raises(IntegrityError):
        mill.run("odd.doubled")
    assert count(mill, "invoices") == 0


def test_run_raises_when_the_result_is_no_json(mill: Mill) -> None:
    with pytest.raises(PermanentError, match="JSON cannot hold"):
        mill.run("odd.outcome", kind="set")


def test_run_refuses_arguments_as_the_door_does(mill: Mill) -> None:
    with pytest.raises(InvalidArgsError) as refused:
        mill.run("invoice.send", number=1, to="nobody")
    assert set(refused.value.details) == {"args.number", "args.to"}
    assert count(mill, "gristmill.jobs") == 0


@pytest.mark.parametrize(
    ("kind", "outcome", "state"),
    [
        ("discard", Discard("old"), "dead"),
        ("snooze", Snooze(timedelta(hours=2)), "scheduled"),
        ("cancel", Cancel("late"), "cancelled"),
    ],
)
def test_run_returns_an_outcome_as_it_is(mill: Mill, kind: str, outcome: Discard | Snooze | Cancel, state: str) -> None:
    assert mill.run("odd.outcome", kind=kind) == outcome
    assert count(mill, f"gristmill.jobs WHERE state = '{state}'") == 1


def test_a_handler_that_ends_the_process_ends_only_its_attempt(mill: Mill) -> None:
    with pytest.raises(MillError, match=r"odd.leave raised SystemExit\('bye'\), which would end this process"):
        mill.run("odd.leave")


def test_a_handler_has_its_time_limit(mill: Mill) -> None:
    with pytest.raises(TransientError, match="longer than the time limit"):
        mill.run("odd.hang")


def test_a_secret_argument_is_sealed_in_the_database_and_open_for_the_handler(mill: Mill) -> None:
    assert mill.run("vault.open", pin="1234567") == 7
    assert count(mill, "gristmill.jobs WHERE args::text LIKE '%1234567%'") == 0


def test_attempts_follow_each_other_when_they_are_due(mill: Mill) -> None:
    job = mill.enqueue("odd.fail", times=1)
    with pytest.raises(TransientError):
        mill.attempt(job)
    with pytest.raises(MillError, match=r"it is due at .+: mill.advance\(seconds="):
        mill.attempt(job)
    mill.advance(minutes=10)
    assert mill.attempt(job) == 2
    with pytest.raises(MillError, match="it is succeeded"):
        mill.attempt(job)


def test_a_job_of_tomorrow_is_not_run_today(mill: Mill) -> None:
    with pytest.raises(MillError, match="it is due at"):
        mill.run("odd.fail", JobOptions(delay=timedelta(days=1)))


def test_an_attempt_of_a_paused_queue_says_so(mill: Mill) -> None:
    assert (
        mill.client("operator").post("/api/v1/queues/shop_queue/pause", json={"reason": "because"}).status_code == 200
    )
    with pytest.raises(MillError, match="its queue shop_queue is paused"):
        mill.run("vault.open", pin="1")


def test_an_attempt_of_an_expired_job_says_so(mill: Mill) -> None:
    job = mill.enqueue("vault.open", JobOptions(expires_at=mill.now() + timedelta(hours=1)), pin="1")
    mill.advance(hours=2)
    with pytest.raises(MillError, match="it has expired, and is a dead letter now"):
        mill.attempt(job)
    assert [letter.reason for letter in mill.dead_letters()] == ["expired"]


def test_a_job_that_is_none_is_not_found(mill: Mill) -> None:
    with pytest.raises(JobNotFoundError):
        mill.attempt(uuid4())


def test_a_unique_key_that_a_live_job_has_makes_no_second_job(mill: Mill) -> None:
    options = JobOptions(unique_key="k")
    mill.enqueue("vault.open", options, pin="1")
    with pytest.raises(MillError, match="is live and has the unique key 'k'"):
        mill.run("vault.open", options, pin="2")


def test_a_task_that_is_none_is_told_with_those_like_it(mill: Mill) -> None:
    with pytest.raises(UnknownTaskError, match=r"No task is called 'invoice.sent'. Did you mean invoice.send"):
        mill.run("invoice.sent")
    with pytest.raises(UnknownTaskError, match=r"tasks=…: shop.jobs, shop.odd_jobs"):
        mill.run("zzz.zzz")


@pytest.mark.parametrize("task", ["odd.wait", "odd.wait_outside"])
def test_a_running_job_is_cancelled_and_its_handler_hears_of_it(mill: Mill, task: str) -> None:
    job = mill.enqueue(task)
    assert mill.attempt(job, cancelled=True) == Cancel("asked to")
    assert mill.job(job).state == "cancelled"
