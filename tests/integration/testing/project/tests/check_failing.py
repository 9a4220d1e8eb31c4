"""Tests that must fail, and what they then say: tests/integration/testing/test_kit.py runs them."""

from gristmill.testing import Mill


def test_a_job_that_is_not_there(mill: Mill) -> None:
    mill.enqueue("count.up", number=1)
    assert mill.enqueued("count.up", number=2)


def test_a_mail_that_did_not_come_because_a_handler_failed(mill: Mill) -> None:
    mill.enqueue("odd.fail", kind="permanent")
    mill.drain()
    assert mill.mails()


def test_a_task_that_fails(mill: Mill) -> None:
    mill.run("odd.fail", kind="plain")
