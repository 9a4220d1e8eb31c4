"""One contract for all libraries: the job exists if and only if the transaction commits, and errors are the same."""

import enum
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import pytest

from gristmill import JobOptions
from gristmill.shared.base.sealing import unseal
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import (
    GristmillError,
    InternalTaskError,
    InvalidArgsError,
    InvalidError,
    SettingsError,
    UnknownTaskError,
)
from gristmill.shared.states import State
from gristmill.shared.task import Task
from gristmill.workers.execute.attempt import Executor
from tests.factories import find, hints, state
from tests.integration.enqueuing.adapters import ADAPTERS, Bound, require
from tests.integration.enqueuing.application import Application

Begin = Callable[[], AbstractContextManager[Bound]]


class Colour(enum.Enum):
    RED = "red"


@pytest.fixture(params=ADAPTERS)
def begin(request: pytest.FixtureRequest, application: Application) -> Begin:
    """Begin a transaction of the application, through each library in turn."""
    require(request.param)
    return lambda: ADAPTERS[request.param](application.url)


def test_a_commit_makes_the_job_and_a_worker_runs_it(
    application: Application, database: Database, begin: Begin, invoice: Task
) -> None:
    with begin() as transaction:
        transaction.execute("INSERT INTO shop.orders VALUES (7)")
        job = transaction.enqueue(invoice, number=7, to="ada@example.com")
        assert isinstance(job, uuid.UUID)
        assert application.jobs() == []
    assert application.orders() == [7]
    (hint,) = hints(database, job)
    assert (hint.task, hint.queue) == ("invoice.send", "email_queue")
    Executor(database, worker="test@here", queue="email_queue").execute([job])
    result: Any = find(database, job).result
    assert (state(database, job), result["to"]) == (State.SUCCEEDED, "ada@example.com")


def test_a_rollback_leaves_nothing(application: Application, begin: Begin, invoice: Task) -> None:
    def fail() -> None:
        with begin() as transaction:
            transaction.execute("INSERT INTO shop.orders VALUES (7)")
            transaction.enqueue(invoice, number=7, to="ada@example.com")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert application.orders() == []
    assert application.jobs() == []
    assert application.rows("SELECT FROM gristmill.outbox") == []


def test_all_options_arrive(database: Database, begin: Begin, invoice: Task) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=3)
    options = JobOptions(
        delay=timedelta(days=1, milliseconds=1500),
        priority="high",
        expires_at=expires_at,
        max_attempts=9,
        unique_key="order 7",
        tags=("red", 'with "quotes", and a comma', "größer"),
        parent_id=uuid.uuid4(),
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )
    with begin() as transaction:
        job = transaction.enqueue(invoice, options, number=7, to="ada@example.com")
    found = find(database, job)
    assert found.run_at - found.created_at == options.delay
    named = ("priority", "expires_at", "max_attempts", "unique_key", "parent_id", "traceparent")
    assert [getattr(found, name) for name in named] == [getattr(options, name) for name in named]
    assert tuple(found.tags) == options.tags
    assert (found.state, found.queue, found.producer_id) == (State.SCHEDULED, "priority_queue", None)


def test_a_time_to_start_is_the_same_moment_whatever_the_time_zone(database: Database, begin: Begin) -> None:
    zone = timezone(timedelta(hours=-7))
    run_at = datetime.now(zone) + timedelta(hours=5)
    with begin() as transaction:
        transaction.execute("SET LOCAL timezone = 'Asia/Kolkata'")
        job = transaction.enqueue("demo.echo", JobOptions(run_at=run_at), message="later")
    assert find(database, job).run_at == run_at


def test_values_of_python_are_stored_as_their_json(database: Database, begin: Begin, invoice: Task) -> None:
    sent = {
        "number": 2**53 + 1,
        "to": uuid.UUID(int=7),
        "note": Colour.RED,
        "amount": Decimal("12.50"),
        "lines": [{"at": datetime(2030, 1, 2, 3, 4, tzinfo=UTC), "text": "100 % of %(name)s :name \\ 'q' ü"}],
        "rate": 1e300,
    }
    with begin() as transaction:
        job = transaction.enqueue(invoice, **sent)
    assert find(database, job).args == {
        "number": 2**53 + 1,
        "to": "00000000-0000-0000-0000-000000000007",
        "note": "red",
        "amount": "12.50",
        "lines": [{"at": "2030-01-02T03:04:00+00:00", "text": "100 % of %(name)s :name \\ 'q' ü"}],
        "rate": 1e300,
    }


def test_a_secret_argument_is_sealed_before_it_leaves_the_process(
    monkeypatch: pytest.MonkeyPatch, database: Database, begin: Begin, invoice: Task
) -> None:
    key = database.settings.secret_key
    monkeypatch.setenv("GRISTMILL_SECRET_KEY", key.reveal())
    with begin() as transaction:
        job = transaction.enqueue(invoice, number=7, to="ada@example.com", password="hunter2")
    stored = find(database, job).args
    assert "hunter2" not in repr(stored)
    assert unseal(key, stored, invoice.secret_args)["password"] == "hunter2"


def test_a_secret_argument_without_the_key_says_which_setting_is_missing(
    monkeypatch: pytest.MonkeyPatch, application: Application, begin: Begin, invoice: Task
) -> None:
    monkeypatch.delenv("GRISTMILL_SECRET_KEY", raising=False)
    with begin() as transaction:
        with pytest.raises(SettingsError, match=r"secret argument password.*GRISTMILL_SECRET_KEY"):
            transaction.enqueue(invoice, number=7, to="ada@example.com", password="hunter2")
        transaction.enqueue(invoice, number=8, to="ada@example.com", password=None)
    assert [args["number"] for _, args in application.jobs()] == [8]


def test_the_live_job_with_the_same_unique_key_is_returned(application: Application, begin: Begin) -> None:
    ids = []
    for _ in range(2):
        with begin() as transaction:
            options = JobOptions(unique_key="one at a time")
            ids += [transaction.enqueue("demo.echo", options, message="x") for _ in range(2)]
    assert len(set(ids)) == len(application.jobs()) == 1


REFUSED: Final[list[tuple[str, dict[str, Any], dict[str, Any], type[GristmillError], set[str]]]] = [
    ("no.such_task", {}, {}, UnknownTaskError, {"task"}),
    ("webhook.deliver", {}, {}, InternalTaskError, {"task"}),
    ("invoice.send", {}, {"to": 5, "x": 1}, InvalidArgsError, {"args.number", "args.to", "args.x"}),
    ("invoice.send", {}, {"number": 1, "to": "x" * 300_000}, InvalidArgsError, {"args"}),
    ("demo.echo", {}, {"message": "a\0b"}, InvalidArgsError, {"args.message"}),
    ("demo.echo", {"callback_url": "http://x"}, {"message": ""}, InvalidError, {"callback_url"}),
    ("demo.echo", {"tags": ("",), "max_attempts": 0}, {"message": ""}, InvalidError, {"tags", "max_attempts"}),
    ("demo.echo", {"producer_id": uuid.UUID(int=1)}, {"message": ""}, InvalidError, {"producer_id"}),
    ("demo.echo", {"delay": timedelta(-1)}, {"message": ""}, InvalidError, {"delay"}),
    ("demo.echo", {"run_at": datetime(2030, 1, 1)}, {"message": ""}, InvalidError, {"run_at"}),  # noqa: DTZ001
]


def test_a_refusal_is_the_same_error_through_every_library(begin: Begin, application: Application) -> None:
    for task, options, args, kind, paths in REFUSED:
        with pytest.raises(kind) as caught, begin() as transaction:
            transaction.enqueue(task, JobOptions(**options), **args)
        assert (type(caught.value), set(caught.value.details)) == (kind, paths)
    assert application.jobs() == []


def test_an_error_that_is_none_of_ours_stays_as_it_is(begin: Begin) -> None:
    def enqueue_in_a_failed_transaction() -> None:
        with begin() as transaction:
            with pytest.raises(Exception, match="division by zero"):
                transaction.execute("SELECT 1 / 0")
            transaction.enqueue("demo.echo", message="x")

    with pytest.raises(Exception, match="current transaction is aborted") as caught:
        enqueue_in_a_failed_transaction()
    assert not isinstance(caught.value, GristmillError)
