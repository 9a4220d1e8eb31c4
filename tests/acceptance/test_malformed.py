"""Messages that are none of ours: each is refused into the dead-letter queue, and the worker goes on."""

import pickle
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from gristmill.services.rabbitmq import RabbitMQ
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.states import DeadReason, State
from tests import platform_tasks as tasks
from tests.acceptance.conftest import MakeMill, Mill, own_vhost
from tests.eventually import eventually
from tests.factories import have_ended, post, state
from tests.integration.workers.messages import connected, take_marks

QUEUE, DEAD_LETTERS, KEY = "data_processing_queue", "processing_dlq", "processing.made_by_a_stranger"
EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
JSON = "application/json"


def ids(*ids: object) -> bytes:
    return orjson.dumps([[list(ids)], {}, EMBED])


def headers(**changes: Any) -> dict[str, Any]:
    """The headers of a good hint, and what is wrong with them; what is None is left out."""
    good = {"lang": "py", "task": "demo.echo", "id": str(uuid7()), "argsrepr": "", "kwargsrepr": "{}", "retries": 0}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


# name: (headers, body, content type)
MALFORMED: dict[str, tuple[dict[str, Any], bytes, str | None]] = {
    "no headers": ({}, ids(), JSON),
    "no id": (headers(id=None), ids(), JSON),
    "an id that is a number": (headers(id=7), ids(), JSON),
    "an id that is no UUID": (headers(id="../../etc"), ids(), JSON),
    "no task": (headers(task=None), ids(), JSON),
    "a task that is a list": (headers(task=["demo.echo"]), ids(), JSON),
    "an unknown task": (headers(task="demo.of_tomorrow"), ids(), JSON),
    "a body of null": (headers(), b"null", JSON),
    "a body of 5": (headers(), b"5", JSON),
    "a body of []": (headers(), b"[]", JSON),
    "a body of {}": (headers(), b"{}", JSON),
    "an empty body": (headers(), b"", JSON),
    "a body that is no JSON": (headers(), b"{'a': 1,", JSON),
    "a body that is no text": (headers(), b"\xff\xfe\x00", JSON),
    "no arguments": (headers(), orjson.dumps([[], {}, EMBED]), JSON),
    "arguments of another shape": (headers(), orjson.dumps([{"a": 1}, 3, "x"]), JSON),
    "nesting": (headers(), b"[" * 20_000 + b"]" * 20_000, JSON),
    "a pickle": (headers(), pickle.dumps([[[]], {}, EMBED]), "application/x-python-serialize"),
    "text": (headers(), b"hello", "text/plain"),
    "no content type": (headers(), ids(), None),
    "a huge number of retries": (headers(retries="many"), ids("x"), JSON),
    "a time limit that is none": (headers(timelimit="soon"), ids("x"), JSON),
    "time limits that are texts": (headers(timelimit=["a", "b"]), ids("x"), JSON),
    "a time limit below zero": (headers(timelimit=[-1, None]), ids("x"), JSON),
    "three time limits": (headers(timelimit=[1, 2, 3]), ids("x"), JSON),
    "an eta": (headers(eta="2999-01-01T00:00:00+00:00"), ids("x"), JSON),
    "an expiry that is none": (headers(expires="never"), ids("x"), JSON),
}


@pytest.fixture(scope="module")
def mill_of_module(make_mill: MakeMill, rabbitmq_server: RabbitMQ) -> Iterator[Mill]:
    with own_vhost(rabbitmq_server) as url:
        mill = make_mill(rabbitmq_server, url)
        mill.cluster.relay()
        mill.cluster.worker(QUEUE, concurrency=1)
        yield mill
        mill.cluster.stop()


@pytest.fixture
def mill(mill_of_module: Mill) -> Iterator[Mill]:
    mill_of_module.up()
    yield mill_of_module
    print(mill_of_module.cluster.tails)  # noqa: T201  seen when the test failed


def send(url: str, headers: dict[str, Any], body: bytes, content_type: str | None) -> str:
    """Publish a message and return the mark that it bears."""
    mark = uuid7().hex
    with connected(url) as connection:
        producer = connection.Producer(auto_declare=False)
        encoding = "utf-8" if content_type == JSON else "binary"
        options: dict[str, Any] = {} if content_type is None else {"content_type": content_type}
        options |= {"headers": headers, "content_encoding": encoding, "correlation_id": mark}
        producer.publish(body, exchange="app_exchange", routing_key=KEY, **options)
    return mark


def the_worker_goes_on(mill: Mill, pids: list[int]) -> None:
    good = post(mill.database, tasks.echo, message="good")
    eventually(lambda: have_ended(mill.database, good))
    assert state(mill.database, good) == State.SUCCEEDED
    assert [child.pid for child in mill.cluster.members[QUEUE].children] == pids


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_is_refused_into_the_dead_letter_queue_and_the_worker_goes_on(
    mill: Mill, name: str
) -> None:
    pids = [child.pid for child in mill.cluster.members[QUEUE].children]
    mark = send(mill.broker_url, *MALFORMED[name])
    eventually(lambda: mark in take_marks(mill.broker_url, DEAD_LETTERS))
    the_worker_goes_on(mill, pids)


# What only a worker's child can read: it keeps it in Postgres, and acknowledges.
UNKNOWN = str(uuid7())
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "ids that are null": (orjson.dumps([[None], {}, EMBED]), "None"),
    "ids that are a number": (orjson.dumps([[5], {}, EMBED]), "5"),
    "an id that is no UUID": (ids("not-a-uuid"), "['not-a-uuid']"),
    "an id that is a number": (ids(7), "[7]"),
    "an id that is nobody's": (ids(UNKNOWN), UNKNOWN),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_hint_that_cannot_be_read_is_a_dead_letter_of_its_own_and_the_worker_goes_on(mill: Mill, name: str) -> None:
    pids = [child.pid for child in mill.cluster.members[QUEUE].children]
    body, kept = UNREADABLE[name]
    send(mill.broker_url, headers(), body, JSON)
    eventually(lambda: kept in malformed_letters(mill))
    the_worker_goes_on(mill, pids)


def malformed_letters(mill: Mill) -> set[str]:
    """Return the bodies that were kept of what was no job."""
    query = select(DeadLetter.raw_body).where(DeadLetter.reason == DeadReason.MALFORMED)
    with mill.database.transaction() as session:
        return {(body or b"").decode() for body in session.scalars(query)}


def test_a_hint_without_ids_is_acknowledged(mill: Mill) -> None:
    pids = [child.pid for child in mill.cluster.members[QUEUE].children]
    mark = send(mill.broker_url, headers(), ids(), JSON)
    the_worker_goes_on(mill, pids)
    assert mark not in take_marks(mill.broker_url, DEAD_LETTERS)


def test_the_message_of_a_job_that_died_lies_in_the_dead_letter_queue_too(mill: Mill) -> None:
    job = post(mill.database, tasks.fail, times=1, kind="permanent")
    eventually(lambda: str(job) in take_marks(mill.broker_url, DEAD_LETTERS))
    assert state(mill.database, job) == State.DEAD
