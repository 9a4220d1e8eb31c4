"""Draining what is due: in order, with children, to an end."""

import pytest
from sqlalchemy import text

from gristmill.testing import EndlessError, Mill, MillError


def test_what_is_due_is_executed_in_order_and_children_after_it(mill: Mill) -> None:
    for number in ("1", "2"):
        mill.enqueue("invoice.send", number=number, to=f"{number}@example.com")
    attempts = mill.drain()
    assert [attempt.task for attempt in attempts] == ["invoice.send"] * 2 + ["email.send"] * 2
    assert [attempt.state for attempt in attempts] == ["succeeded"] * 4
    assert [mail["subject"] for mail in mill.mails()] == ["Invoice 1", "Invoice 2"]
    assert mill.drain() == []


def test_an_attempt_that_fails_is_told_and_its_job_waits_for_the_next(mill: Mill) -> None:
    job = mill.enqueue("odd.fail")
    (attempt,) = mill.drain()
    assert (attempt.job_id, attempt.number, attempt.state, str(attempt.error)) == (job, 1, "retrying", "transient")
    assert mill.job(job).state == "retrying"
    assert mill.dead_letters() == []


def test_an_endless_chain_is_stopped_and_its_tasks_are_named(mill: Mill) -> None:
    mill.enqueue("odd.forever")
    with pytest.raises(EndlessError, match=r"20 attempts were made \(odd.forever 20\) and there is no end of it"):
        mill.drain(limit=20)


def test_as_many_attempts_as_the_limit_allows_are_no_error(mill: Mill) -> None:
    mill.enqueue("count.up", number=1)
    assert len(mill.drain(limit=1)) == 1


def test_until_ends_a_drain_and_what_is_left_is_drained_later(mill: Mill) -> None:
    for number in ("1", "2"):
        mill.enqueue("invoice.send", number=number, to="ada@example.com")
    assert len(mill.drain(until=lambda: mill.enqueued("email.send"))) == 1
    assert len(mill.drain()) == 3


def test_until_that_never_comes_true_is_an_error_that_tells_what_waits(mill: Mill) -> None:
    mill.enqueue("odd.fail")
    with pytest.raises(MillError, match=r"after 1 attempts, and `until` is still false: odd.fail is retrying, due at"):
        mill.drain(until=mill.mails)


def test_jobs_of_a_bundle_run_together(mill: Mill) -> None:
    for number in range(12):
        mill.enqueue("count.up", number=number)
    attempts = mill.drain()
    assert [attempt.result for attempt in attempts] == [number * 10 for number in range(12)]
    with mill.session() as session:
        together = session.execute(text("SELECT together FROM calls ORDER BY 1")).scalars().all()
    assert together == [2, 10]


def test_outside_effects_commit_one_by_one_and_enqueue(mill: Mill) -> None:
    mill.enqueue("partner.call")
    assert [attempt.result for attempt in mill.drain()] == ["called", 10]


def test_a_paused_queue_rests_until_it_is_resumed(mill: Mill) -> None:
    client = mill.client("operator")
    job = mill.enqueue("count.up", number=1)
    assert client.post("/api/v1/queues/shop_queue/pause", json={"reason": "because"}).status_code == 200
    assert mill.drain() == []
    assert mill.job(job).state == "queued"
    assert client.post("/api/v1/queues/shop_queue/resume").status_code == 200
    assert [attempt.job_id for attempt in mill.drain()] == [job]


def test_a_cancelled_job_is_not_executed(mill: Mill) -> None:
    job = mill.enqueue("count.up", number=1)
    mill.cancel(job)
    assert mill.drain() == []
    assert mill.job(job).state == "cancelled"
