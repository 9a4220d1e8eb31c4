"""Requests share a commit, and none of them pays for another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from gristmill.ingress.accepting.group_commit import Acceptor
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import IdempotencyConflictError, UnavailableError
from gristmill.shared.jobs.enqueue import JobOptions, prepare
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.jobs.terms import NewJob
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.settings import Settings
from gristmill.shared.task import registry
from tests.eventually import eventually
from tests.integration.ingress.conftest import with_other_database
from tests.integration.ingress.proxy import COMMIT, STATEMENT, Proxy
from tests.integration.ingress.rows import (
    a_write_waits,
    commits,
    count,
    everything_stored,
    jobs_locked,
    writes_that_wait,
)


def new_job(settings: Settings, **options: Any) -> NewJob:
    return prepare(registry.get("demo.echo"), {"message": "x"}, JobOptions(**options), secret_key=settings.secret_key)


def bad_job(settings: Settings) -> NewJob:
    """One that no check of ours lets through, to see what happens if one did: jsonb knows no NUL."""
    return new_job(settings)._replace(args={"message": "\0"})


@pytest.fixture
def acceptor(database: Database) -> Any:
    acceptor = Acceptor(database, writers=1)
    yield acceptor
    acceptor.close(within=10)


def test_requests_that_wait_together_share_one_commit(
    settings: Settings, database: Database, acceptor: Acceptor
) -> None:
    jobs = [new_job(settings) for _ in range(30)]
    with ThreadPoolExecutor(30) as threads:
        with jobs_locked(database):
            first = threads.submit(acceptor.submit, [jobs[0]])
            eventually(lambda: a_write_waits(database))
            rest = [threads.submit(acceptor.submit, [job]) for job in jobs[1:]]
            eventually(lambda: acceptor.size == 29)
        answers = [one.result(timeout=20)[0] for one in [first, *rest]]
    assert [answer.id for answer in answers if isinstance(answer, Accepted)] == [job.id for job in jobs]
    assert count(database) == count(database, "outbox") == 30
    assert commits(database) == 2


def test_one_bad_row_does_not_fail_its_neighbours(settings: Settings, database: Database, acceptor: Acceptor) -> None:
    good, bad, other = new_job(settings), bad_job(settings), new_job(settings)
    results = acceptor.submit([good, bad, other])
    assert isinstance(results[0], Accepted)
    assert isinstance(results[1], DBAPIError)
    assert isinstance(results[2], Accepted)
    assert count(database) == 2


def test_a_request_of_many_jobs_gets_one_result_for_each_in_order(
    settings: Settings, database: Database, acceptor: Acceptor
) -> None:
    jobs = [new_job(settings) for _ in range(1_000)]
    results = acceptor.submit(jobs)
    assert [result.id for result in results if isinstance(result, Accepted)] == [job.id for job in jobs]


def test_twins_in_one_flush_are_one_job(settings: Settings, database: Database, acceptor: Acceptor) -> None:
    with database.transaction() as session:
        producer_id = create_producer(session, "twins", ["jobs:write"]).id
    twins = [new_job(settings, producer_id=producer_id).with_idempotency_key("k", "same") for _ in range(3)]
    other = new_job(settings, producer_id=producer_id).with_idempotency_key("k", "other")
    results = acceptor.submit([*twins, other])
    accepted = [result for result in results if isinstance(result, Accepted)]
    assert len({result.id for result in accepted}) == 1
    assert sorted(result.replayed for result in accepted) == [False, True, True]
    assert isinstance(results[3], IdempotencyConflictError)
    assert everything_stored(database) == {"jobs": 1, "outbox": 1, "idempotency_keys": 1}


def test_a_full_queue_refuses_at_once(settings: Settings, database: Database) -> None:
    acceptor = Acceptor(database, writers=1, capacity=3)
    with ThreadPoolExecutor(4) as threads, jobs_locked(database):
        waiting = [threads.submit(acceptor.submit, [new_job(settings)])]
        eventually(lambda: a_write_waits(database))
        waiting += [threads.submit(acceptor.submit, [new_job(settings)]) for _ in range(3)]
        eventually(lambda: acceptor.size == 3)
        with pytest.raises(UnavailableError, match="More jobs wait"):
            acceptor.submit([new_job(settings)])
    acceptor.close(within=10)
    assert count(database) == 4


def test_a_request_that_waited_too_long_is_withdrawn(settings: Settings, database: Database) -> None:
    acceptor = Acceptor(database, writers=1, patience=1.0)
    with ThreadPoolExecutor(1) as threads:
        with jobs_locked(database):
            begun = threads.submit(acceptor.submit, [new_job(settings)])
            eventually(lambda: a_write_waits(database))
            with pytest.raises(UnavailableError, match="withdrawn"):
                acceptor.submit([new_job(settings)])
            with pytest.raises(UnavailableError, match="same Idempotency-Key"):
                begun.result(timeout=10)
        acceptor.close(within=10)
    assert count(database) == 1


def test_a_writer_that_finds_its_work_taken_by_another_waits_for_more(settings: Settings, database: Database) -> None:
    acceptor = Acceptor(database, writers=4)
    with ThreadPoolExecutor(16) as threads:
        assert len(list(threads.map(lambda _: acceptor.submit([new_job(settings)]), range(400)))) == 400
        with jobs_locked(database):
            for number in range(1, 5):
                threads.submit(acceptor.submit, [new_job(settings)])
                eventually(lambda number=number: writes_that_wait(database) == number)  # type: ignore[misc]
    acceptor.close(within=10)
    assert count(database) == 404


def test_closing_writes_what_waits_and_takes_no_more(settings: Settings, database: Database) -> None:
    acceptor = Acceptor(database, writers=1)
    with ThreadPoolExecutor(6) as threads:
        with jobs_locked(database):
            waiting = [threads.submit(acceptor.submit, [new_job(settings)])]
            eventually(lambda: a_write_waits(database))
            waiting += [threads.submit(acceptor.submit, [new_job(settings)]) for _ in range(4)]
            eventually(lambda: acceptor.size == 4)
            closing = threading.Thread(target=acceptor.close)
            closing.start()
        closing.join(timeout=20)
        assert all(isinstance(one.result(timeout=1)[0], Accepted) for one in waiting)
    with pytest.raises(UnavailableError):
        acceptor.submit([new_job(settings)])
    assert count(database) == 5


@pytest.mark.parametrize("lost", ["cut_before", "cut_after"])
@pytest.mark.parametrize("keys", [0, 1, 2], ids=["no key", "a key", "two keys"])
def test_a_commit_whose_end_nobody_saw_makes_each_job_once(
    settings: Settings, database: Database, lost: str, keys: int
) -> None:
    with database.transaction() as session:
        producer_id = create_producer(session, "doubtful", ["jobs:write"]).id
    # A job with two keys takes a transaction of several statements, others are one statement.
    with Proxy(settings.database_url.reveal(), STATEMENT if keys < 2 else COMMIT) as proxy:
        through_proxy = Database(with_other_database(settings, proxy.url))
        acceptor = Acceptor(through_proxy)
        unique = [f"u{number}" if keys == 2 else None for number in range(3)]
        jobs = [new_job(settings, producer_id=producer_id, unique_key=each) for each in unique]
        if keys:
            jobs = [job.with_idempotency_key(str(job.id), "hash") for job in jobs]
        setattr(proxy, lost, True)
        results = acceptor.submit(jobs)
        acceptor.close(within=10)
        through_proxy.dispose()
    assert proxy.cuts == 1
    assert [result.id for result in results if isinstance(result, Accepted)] == [job.id for job in jobs]
    assert not any(result.replayed for result in results if isinstance(result, Accepted))
    assert count(database) == count(database, "outbox") == 3
