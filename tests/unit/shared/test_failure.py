"""Stored failures: bounded, without secrets, and grouped with equal ones."""

import pytest
from sqlalchemy.exc import OperationalError

from gristmill.shared.errors import PermanentError, TransientError, WorkerLostError
from gristmill.shared.jobs.failure import MESSAGE_LIMIT, TRACEBACK_LIMIT, Failure, describe


def fail(message: str, kind: type[Exception] = ValueError) -> Failure:
    try:
        raise kind(message)  # noqa: TRY301  for its traceback
    except Exception as error:  # noqa: BLE001  whatever `kind` is
        return describe(error, task="demo.fail")


def fail_on_another_line(message: str) -> Failure:
    def fail(message: str) -> None:
        raise ValueError(message)

    try:
        fail(message)
    except ValueError as error:
        return describe(error, task="demo.fail")
    raise AssertionError


def test_a_failure_tells_type_code_message_and_traceback() -> None:
    failure = fail("no such place")
    assert (failure.type, failure.code, failure.message) == ("ValueError", "ValueError", "no such place")
    assert "in fail" in failure.traceback
    assert len(failure.fingerprint) == 16


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientError("x", code="SMTP_451"), "SMTP_451"),
        (PermanentError("x"), "TASK_PERMANENT_001"),
        (WorkerLostError("x"), "WORKER_LOST_001"),
        (KeyError("x"), "KeyError"),
        (SystemExit(3), "SystemExit"),
        (OperationalError("SELECT 1", {}, Exception("gone")), "OperationalError"),  # whose `code` is a page number
    ],
)
def test_the_code_is_ours_or_the_type_of_the_error(error: BaseException, code: str) -> None:
    assert describe(error, task="demo.fail").code == code


def test_an_endless_error_is_bounded() -> None:
    failure = fail("x" * 1_000_000)
    assert len(failure.message) == MESSAGE_LIMIT
    assert len(failure.traceback) == TRACEBACK_LIMIT


@pytest.mark.parametrize(
    "text",
    [
        "could not reach postgresql://user:hunter2@host/db",
        "could not reach redis://:hunter2@host/0",
        "password=hunter2 was refused",
        "{'password': 'hunter2'}",
        '{"api_key": "hunter2"}',
        "Authorization: Bearer hunter2",
        "token: hunter2",
        "secret=hunter2&x=1",
    ],
)
def test_a_secret_in_an_error_is_not_kept(text: str) -> None:
    failure = fail(text)
    assert "hunter2" not in failure.message
    assert "***" in failure.message
    assert "hunter2" not in failure.traceback


@pytest.mark.parametrize("before", range(MESSAGE_LIMIT - 45, MESSAGE_LIMIT, 5))
def test_a_secret_on_the_edge_of_what_is_kept_is_not_kept_in_part(before: int) -> None:
    failure = fail("x" * before + " postgresql://user:hunter2@host/db " + "y" * 1_000)
    assert "hun" not in failure.message


def test_what_postgres_cannot_store_is_replaced() -> None:
    failure = fail("a\x00b\ud800c")
    assert failure.message == "a\\x00b?c"
    failure.traceback.encode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user 17 is unknown", "user 18 is unknown"),
        ("job 0198c0de-0000-7000-8000-000000000001 is gone", "job 0198c0de-0000-7000-8000-00000000abcd is gone"),
        ("<object at 0x7f11deadbeef>", "<object at 0x7f22cafebabe>"),
        ("no key 'blue'", "no key 'green'"),
    ],
)
def test_equal_failures_have_one_fingerprint(one: str, other: str) -> None:
    assert fail(one).fingerprint == fail(other).fingerprint


def test_different_failures_have_different_fingerprints() -> None:
    failures = [fail("a"), fail("b"), fail("a", KeyError), fail_on_another_line("a")]
    assert len({failure.fingerprint for failure in failures}) == 4


def test_a_fingerprint_does_not_depend_on_the_line() -> None:
    made = []
    for source in (
        "def fail():\n    raise ValueError('a')\n",
        "\n\n\ndef fail():\n    x = 1\n    raise ValueError('a')\n",
    ):
        namespace: dict[str, object] = {}
        exec(compile(source, "somewhere.py", "exec"), namespace)  # noqa: S102  the same code, moved
        try:
            namespace["fail"]()  # type: ignore[operator]  # what was just defined
        except ValueError as error:
            made.append(describe(error, task="demo.fail").fingerprint)
    assert made[0] == made[1]
