"""Whoever waits for a job is answered when it ends, by one connection a process, and keeps nobody from posting."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from uuid_utils.compat import uuid7
from werkzeug.test import TestResponse

from gristmill.ingress.app import create_app
from gristmill.ingress.following.followers import Follower, Followers
from gristmill.shared.database.connect import Database
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.settings import Settings
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import change, find, post

MakeKey = Callable[..., dict[str, str]]
LONG = 100  # seconds: nobody here waits for so long, also where the machine stalls
BEYOND_SELECT = 1_024  # the first number of a file that select() cannot look at

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture(autouse=True)
def _waits_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told at the end of its wait only is seen to come late."""
    for module in ("following.followers", "http.prefer"):
        monkeypatch.setattr(f"gristmill.ingress.{module}.LONGEST_WAIT", float(LONG))


@pytest.fixture
def executor(database: Database) -> Executor:
    return Executor(database, worker="test@here", queue="data_processing_queue")


@contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def listeners(database: Database) -> int:
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'gristmill web (listen)'"
    )
    with database.transaction() as session:
        return int(session.execute(query).scalar_one())


def jobs_of(database: Database) -> list[UUID]:
    with database.transaction() as session:
        return list(session.scalars(text("SELECT id FROM gristmill.jobs")))


def json_of(answer: TestResponse) -> Any:
    return answer.json


def is_watched(database: Database, job: UUID) -> bool:
    return find(database, job).watched_until is not None


def cancel(database: Database, job: UUID) -> None:
    with database.transaction() as session:
        cancel_job(session, job, actor="test")


def expire(database: Database, job: UUID, executor: Executor) -> None:
    change(database, "UPDATE gristmill.jobs SET expires_at = clock_timestamp() WHERE id = :id", id=job)
    executor.execute([job])


def succeed(_: Database, job: UUID, executor: Executor) -> None:
    executor.execute([job])


ENDS: dict[str, Callable[[Database, UUID, Executor], None]] = {
    "succeeded": succeed,
    "cancelled": lambda database, job, _: cancel(database, job),
    "dead": expire,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_get_that_waits_is_answered_when_the_job_ends(
    client: FlaskClient, make_key: MakeKey, database: Database, executor: Executor, end: str
) -> None:
    headers = make_key("admin")
    job = post(database, tasks.echo, message="m")
    with meanwhile(lambda: client.get(f"/api/v1/jobs/{job}?wait={LONG}", headers=headers)) as answer:
        eventually(lambda: is_watched(database, job))
        assert not answer.done()
        ENDS[end](database, job, executor)
        answered = answer.result(LONG / 2)
    assert (answered.status_code, json_of(answered)["state"]) == (200, end)


def test_a_post_that_waits_is_answered_with_the_finished_job(
    client: FlaskClient, make_key: MakeKey, database: Database, executor: Executor
) -> None:
    body = {"task": "demo.echo", "args": {"message": "m"}}
    headers = make_key("jobs:write") | {"Prefer": f"respond-async, wait={LONG}"}
    with meanwhile(lambda: client.post("/api/v1/jobs", json=body, headers=headers)) as answer:
        eventually(lambda: jobs_of(database))
        (job,) = jobs_of(database)
        eventually(lambda: is_watched(database, job))
        executor.execute([job])
        answered = answer.result(LONG / 2)
    assert (answered.status_code, json_of(answered)["result"]) == (200, {"message": "m"})
    assert answered.headers["Preference-Applied"] == f"wait={LONG}"
    assert answered.headers["Location"] == f"/api/v1/jobs/{job}"


def test_a_job_that_does_not_end_in_time_is_answered_as_it_is(client: FlaskClient, make_key: MakeKey) -> None:
    headers = make_key("admin")
    posted = client.post(
        "/api/v1/jobs", json={"task": "demo.echo", "args": {"message": "m"}}, headers=headers | {"Prefer": "wait=0"}
    )
    assert (posted.status_code, json_of(posted)["state"]) == (202, "queued")
    shown = client.get(f"/api/v1/jobs/{json_of(posted)['id']}?wait=0.2", headers=headers)
    assert (shown.status_code, json_of(shown)["state"]) == (200, "queued")


@pytest.mark.parametrize("wait", ["-1", "soon", "nan", "1e9"])
def test_a_wait_that_is_none_is_refused(client: FlaskClient, make_key: MakeKey, database: Database, wait: str) -> None:
    job = post(database, tasks.echo, message="m")
    answer = client.get(f"/api/v1/jobs/{job}?wait={wait}", headers=make_key("admin"))
    assert (answer.status_code, list(json_of(answer)["error"]["details"])) == (422, ["wait"])


def test_nobody_waits_for_the_job_of_another_producer(
    client: FlaskClient, make_key: MakeKey, database: Database
) -> None:
    job = post(database, tasks.echo, message="m")
    assert client.get(f"/api/v1/jobs/{job}?wait={LONG}", headers=make_key("jobs:read")).status_code == 404
    assert not is_watched(database, job)


def test_a_preference_that_nobody_understands_is_passed_by(client: FlaskClient, make_key: MakeKey) -> None:
    for prefer in ("wait", "wait=soon", "handling=lenient", "await=10"):
        answer = client.post(
            "/api/v1/jobs",
            json={"task": "demo.echo", "args": {"message": "m"}},
            headers=make_key("admin") | {"Prefer": prefer},
        )
        assert answer.status_code == 202
        assert "Preference-Applied" not in answer.headers


def test_five_hundred_that_wait_cost_one_connection_and_are_all_told(
    settings: Settings, database: Database, executor: Executor
) -> None:
    waiters = Followers(database, most=500, streams=0)
    jobs = [post(database, tasks.echo, message="m") for _ in range(5)]
    threads = [threading.Thread(target=waiters.wait, args=(jobs[number % 5], LONG)) for number in range(500)]
    for thread in threads:
        thread.start()
    eventually(lambda: all(is_watched(database, job) for job in jobs))
    assert listeners(database) == 1
    executor.execute(jobs)
    for thread in threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)
    assert listeners(database) == 1


def test_a_connection_that_is_cut_while_the_job_ends_keeps_nobody_waiting(
    database: Database, executor: Executor
) -> None:
    waiters = Followers(database, most=5, streams=0)
    job = post(database, tasks.echo, message="m")
    with meanwhile(lambda: waiters.wait(job, LONG)) as waiting:
        eventually(lambda: is_watched(database, job))
        change(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'gristmill web (listen)'",
        )
        executor.execute([job])
        waiting.result(LONG / 2)
    assert find(database, job).state == "succeeded"


def test_who_waits_is_told_also_where_a_thousand_clients_are_connected(database: Database, executor: Executor) -> None:
    waiters = Followers(database, most=1, streams=0)
    job = post(database, tasks.echo, message="m")
    with many_descriptors(), meanwhile(lambda: waiters.wait(job, LONG)) as waiting:
        eventually(lambda: is_watched(database, job))
        executor.execute([job])
        waiting.result(LONG / 2)


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Have so many files open that the next one has a number beyond what select() can look at."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = BEYOND_SELECT + 100
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets a process open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while stack.enter_context(open(os.devnull)).fileno() < BEYOND_SELECT:  # noqa: PTH123  for its number
            pass
        yield


def test_a_call_that_comes_while_it_makes_sure_to_be_heard_is_not_lost(database: Database) -> None:
    waiters = Followers(database, most=1, streams=0)
    follower = Follower(waiters, uuid7(), ends_only=True)

    class Listens(threading.Event):
        """Is set, and the job moves right after that was asked."""

        def wait(self, timeout: float | None = None) -> bool:
            follower.wake()
            return True

    waiters.connected = Listens()
    assert follower.listen()
    assert follower.wait(0)


def test_those_who_find_no_room_are_answered_at_once_and_posts_go_on(
    settings: Settings, make_key: MakeKey, database: Database
) -> None:
    app: Flask = create_app(replace(settings, web_waiters=1), database)
    headers = make_key("admin")
    job = post(database, tasks.echo, message="m")
    with meanwhile(lambda: app.test_client().get(f"/api/v1/jobs/{job}?wait={LONG}", headers=headers)) as first:
        eventually(lambda: is_watched(database, job))
        second = app.test_client().get(f"/api/v1/jobs/{job}?wait={LONG}", headers=headers)
        assert (second.status_code, json_of(second)["state"], first.done()) == (200, "queued", False)
        body = {"task": "demo.echo", "args": {"message": "m"}}
        posted = app.test_client().post("/api/v1/jobs", json=body, headers=headers | {"Prefer": f"wait={LONG}"})
        assert (posted.status_code, first.done()) == (202, False)
        cancel(database, job)
        assert json_of(first.result(LONG / 2))["state"] == "cancelled"


def test_a_job_that_nobody_waits_for_costs_no_notification(database: Database, executor: Executor) -> None:
    watched, other = (post(database, tasks.echo, message="m") for _ in range(2))
    change(database, "UPDATE gristmill.jobs SET watched_until = now() + interval '1 hour' WHERE id = :id", id=watched)
    with database.engine.connect() as ear:
        ear.exec_driver_sql("LISTEN gristmill_moved")
        ear.commit()
        executor.execute([watched, other])
        eventually(lambda: ear.exec_driver_sql("SELECT 1").scalar() == 1 and len(heard(ear)) > 1)
        assert heard(ear) == [f"{watched} running", f"{watched} succeeded"]


def heard(connection: Any) -> list[str]:
    return [notice.payload for notice in connection.connection.dbapi_connection.notifies]
