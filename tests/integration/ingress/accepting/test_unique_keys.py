"""A unique key that somebody's open transaction holds is waited for alone, and not for long."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient

from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions, enqueue
from gristmill.shared.producers.queries import find_producer
from tests.eventually import eventually
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.rows import count, writes_that_wait

ECHO = {"task": "demo.echo", "args": {"message": "x"}}


@contextmanager
def keys_held(database: Database, producer: str, *keys: str) -> Iterator[None]:
    """Keep a transaction open that has enqueued a job with each of these unique keys for a producer."""
    with database.session() as session:
        found = find_producer(session, producer)
        assert found is not None
        for key in keys:
            enqueue(session, "demo.echo", JobOptions(unique_key=key, producer_id=UUID(str(found.id))), message="held")
        yield
        session.rollback()


def post(app: Flask, headers: Headers, path: str = "/api/v1/jobs", body: Any = None, **fields: Any) -> Any:
    return app.test_client().post(path, json=body or ECHO | fields, headers=headers)


def test_posts_of_others_do_not_wait_for_a_key_that_an_open_transaction_holds(
    app: Flask, database: Database, make_key: KeyMaker
) -> None:
    holder, other = make_key("jobs:write", name="holder"), make_key("jobs:write", name="other")
    with ThreadPoolExecutor(3) as threads, keys_held(database, "holder", "k1", "k2"):
        held = [threads.submit(post, app, holder, unique_key="k1")]
        eventually(lambda: held[0].done() or writes_that_wait(database) == 1)
        held.append(threads.submit(post, app, holder, unique_key="k2"))
        eventually(lambda: held[0].done() or services_of(app).keyed.size or writes_that_wait(database) == 2)
        assert threads.submit(post, app, other).result(timeout=20).status_code == 202
        answers = [each.result(timeout=20) for each in held]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "unique_key" in answers[0].json["error"]["message"]
    assert answers[0].headers["Retry-After"]
    assert count(database) == 1


def test_a_batch_with_a_held_key_accepts_its_other_entries(app: Flask, database: Database, make_key: KeyMaker) -> None:
    holder = make_key("jobs:write", name="holder")
    entries = [ECHO, ECHO | {"unique_key": "k1"}, ECHO | {"unique_key": "k1"}, ECHO | {"unique_key": "free"}]
    with keys_held(database, "holder", "k1"):
        answer = post(app, holder, "/api/v1/jobs/batch", {"jobs": entries})
        atomic = post(app, holder, "/api/v1/jobs/batch", {"jobs": entries[:2], "atomic": True})
    results = answer.json["results"]
    assert ["error" in result for result in results] == [False, True, True, False]
    assert {result["error"]["code"] for result in results[1:3]} == {"PLATFORM_UNAVAILABLE_001"}
    assert atomic.status_code == 503
    assert count(database) == 2


def test_a_held_key_can_be_posted_when_its_transaction_has_ended(
    app: Flask, client: FlaskClient, database: Database, make_key: KeyMaker
) -> None:
    holder = make_key("jobs:write", name="holder")
    with keys_held(database, "holder", "k1"):
        assert post(app, holder, unique_key="k1").status_code == 503
    first, second = post(app, holder, unique_key="k1"), post(app, holder, unique_key="k1")
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json["id"] == second.json["id"]
