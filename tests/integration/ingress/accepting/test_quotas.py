"""A producer has no more jobs in flight than its quota allows, whoever writes them at the same time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.ingress.accepting.group_commit import Acceptor
from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import QuotaExceededError
from gristmill.shared.jobs.enqueue import JobOptions, prepare_on, terms_of
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.jobs.terms import NewJob
from gristmill.shared.producers.keys import ProducerPrincipal
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.settings import Settings
from gristmill.shared.task import registry
from tests.integration.ingress.conftest import Headers
from tests.integration.ingress.rows import count, everything_stored

ECHO: dict[str, Any] = {"task": "demo.echo", "args": {"message": "hello"}}


@pytest.fixture
def producer_id(database: Database) -> UUID:
    with database.transaction() as session:
        return create_producer(session, "limited", ["jobs:write"]).id


def new_job(settings: Settings, producer_id: UUID, quota: int | None, **options: Any) -> NewJob:
    chosen = JobOptions(producer_id=producer_id, **options)
    echo = registry.get("demo.echo")
    return prepare_on(terms_of(echo, chosen, quota=quota), echo, {"message": "x"}, secret_key=settings.secret_key)


def end_jobs(database: Database, number: int) -> None:
    with database.transaction() as session:
        session.execute(
            text(
                "UPDATE gristmill.jobs SET state = 'succeeded', finished_at = clock_timestamp() "
                "WHERE id IN (SELECT id FROM gristmill.jobs WHERE state = 'queued' ORDER BY id LIMIT :number)"
            ),
            {"number": number},
        )


def test_a_quota_is_exact_between_processes_that_write_at_once(
    settings: Settings, database: Database, producer_id: UUID
) -> None:
    processes = [Acceptor(Database(settings)) for _ in range(3)]

    def submit(number: int) -> list[Any]:
        jobs = [new_job(settings, producer_id, 50) for _ in range(3)]
        return processes[number % 3].submit(jobs)

    with ThreadPoolExecutor(12) as threads:
        results = [result for each in threads.map(submit, range(40)) for result in each]
    for process in processes:
        process.close(within=10)
    assert sum(isinstance(result, Accepted) for result in results) == 50
    assert sum(isinstance(result, QuotaExceededError) for result in results) == 70
    assert count(database) == count(database, "outbox") == 50


def test_room_comes_back_as_jobs_end_and_others_are_not_held_up(
    settings: Settings, database: Database, producer_id: UUID
) -> None:
    with database.transaction() as session:
        other = create_producer(session, "other", ["jobs:write"]).id
    acceptor = Acceptor(database)
    mixed = [new_job(settings, producer_id, 2) for _ in range(3)] + [new_job(settings, other, None) for _ in range(3)]
    assert [isinstance(one, Accepted) for one in acceptor.submit(mixed)] == [True, True, False, True, True, True]
    end_jobs(database, 1)
    again = acceptor.submit([new_job(settings, producer_id, 2) for _ in range(2)])
    assert [isinstance(one, Accepted) for one in again] == [True, False]
    acceptor.close(within=10)


def test_what_makes_no_new_job_needs_no_room(settings: Settings, database: Database, producer_id: UUID) -> None:
    acceptor = Acceptor(database)
    keyed = new_job(settings, producer_id, 2).with_idempotency_key("k", "hash")
    twin = new_job(settings, producer_id, 2, unique_key="u")
    first = acceptor.submit([keyed, twin])
    again = acceptor.submit(
        [
            new_job(settings, producer_id, 2).with_idempotency_key("k", "hash"),
            new_job(settings, producer_id, 2, unique_key="u"),
            new_job(settings, producer_id, 2).with_idempotency_key("new", "hash"),
        ]
    )
    acceptor.close(within=10)
    assert [one.id for one in again[:2] if isinstance(one, Accepted)] == [
        one.id for one in first if isinstance(one, Accepted)
    ]
    assert isinstance(again[2], QuotaExceededError)
    assert everything_stored(database) == {"jobs": 2, "outbox": 2, "idempotency_keys": 1}


def test_beyond_its_quota_a_producer_is_told_when_to_try_again(
    app: Flask, client: FlaskClient, key: Headers, database: Database
) -> None:
    client.get("/api/v1/jobs", headers=key)
    known = services_of(app).key_checks._known
    for digest, (until, principal) in list(known.items()):
        assert isinstance(principal, ProducerPrincipal)
        known[digest] = (until + 60, replace(principal, quota=3))
    assert client.post("/api/v1/jobs", json=ECHO, headers=key).status_code == 202
    refused = client.post("/api/v1/jobs/batch", json={"jobs": [ECHO] * 3, "atomic": True}, headers=key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    batch = client.post("/api/v1/jobs/batch", json={"jobs": [ECHO] * 3}, headers=key).get_json()["results"]
    assert [each.get("error", {}).get("code") for each in batch] == [None, None, "QUOTA_EXCEEDED_001"]
    single = client.post("/api/v1/jobs", json=ECHO, headers=key)
    assert single.status_code == 429
    assert single.get_json()["error"]["details"] == {"quota": 3}
    assert count(database) == 3
