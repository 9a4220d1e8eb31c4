"""The real server: it answers over a socket, and a SIGTERM cuts nobody off."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from uuid import UUID

import httpx
import psutil
import pytest

from gristmill.ingress.accepting.group_commit import WRITERS
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import Settings
from tests.eventually import eventually
from tests.factories import find
from tests.integration.ingress.conftest import SERVE, Headers, KeyMaker, served
from tests.integration.ingress.rows import count, give_history, jobs_locked, writes_that_wait
from tests.processes import all_have_ended

ECHO = {"task": "demo.echo", "args": {"message": "hello"}}
PATIENCE = 60  # seconds for what has no other deadline
WAIT = 900  # seconds that those may wait who are told to go home
LETS_WAIT = f"from gristmill.ingress.following import followers; followers.LONGEST_WAIT = {WAIT}; {SERVE}"
STREAMS = 2


@pytest.fixture
def server(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with served(replace(settings, web_streams=STREAMS), LETS_WAIT) as running:
        yield running


def measured(url: str, key: Headers, name: str) -> float:
    """What /metrics tells by this name."""
    told = httpx.get(f"{url}/metrics", headers=key, timeout=PATIENCE).text
    return next(float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith(f"{name} "))


def test_a_sigterm_lets_requests_finish(
    server: tuple[subprocess.Popen[bytes], str], make_key: KeyMaker, database: Database
) -> None:
    process, url = server
    key = make_key("admin")

    def post() -> int:
        return httpx.post(f"{url}/api/v1/jobs", json=ECHO, headers=key, timeout=PATIENCE).status_code

    with ThreadPoolExecutor(8) as threads:
        with jobs_locked(database):
            answers = []
            for number in range(1, WRITERS + 1):  # each stands before the lock with one job
                answers.append(threads.submit(post))
                eventually(lambda number=number: writes_that_wait(database) == number, within=PATIENCE)  # type: ignore[misc]
            answers += [threads.submit(post) for _ in range(8 - WRITERS)]
            waiting = 'gristmill_accept_waiting_jobs{kind="single"}'
            eventually(lambda: measured(url, key, waiting) == 8 - WRITERS, within=PATIENCE)
            process.send_signal(signal.SIGTERM)
            eventually(lambda: refuses_connections(url), within=PATIENCE)
        assert [answer.result(timeout=PATIENCE) for answer in answers] == [202] * 8
    assert process.wait(timeout=PATIENCE) == 0
    assert count(database) == 8


def test_a_sigterm_ends_what_waits_and_what_follows_at_once(
    server: tuple[subprocess.Popen[bytes], str], key: Headers, database: Database
) -> None:
    process, url = server
    jobs = f"{url}/api/v1/jobs"
    followed, awaited = (httpx.post(jobs, json=ECHO, headers=key, timeout=PATIENCE).json()["id"] for _ in range(2))
    with (
        ThreadPoolExecutor(1) as threads,
        httpx.stream("GET", f"{jobs}/{followed}/events", headers=key, timeout=PATIENCE) as events,
    ):
        lines = events.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: job.accepted"
        path = f"{jobs}/{awaited}"
        waiting = threads.submit(httpx.get, path, params={"wait": str(WAIT)}, headers=key, timeout=PATIENCE)
        eventually(lambda: find(database, UUID(awaited)).watched_until is not None, within=PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert [line for line in lines if line.startswith("event:")] == []
        assert waiting.result().json()["state"] == "queued"
    assert process.wait(timeout=PATIENCE) == 0


def test_a_client_that_hangs_up_frees_the_place_of_its_stream(
    server: tuple[subprocess.Popen[bytes], str], key: Headers
) -> None:
    _, url = server
    job = f"{url}/api/v1/jobs/{httpx.post(f'{url}/api/v1/jobs', json=ECHO, headers=key, timeout=PATIENCE).json()['id']}"

    def opens() -> int:
        with httpx.stream("GET", f"{job}/events", headers=key, timeout=PATIENCE) as events:
            return events.status_code

    assert {opens() for _ in range(3 * STREAMS)} <= {200, 503}
    eventually(lambda: opens() == 200, within=PATIENCE)


def begin_bodies(stack: ExitStack, url: str, key: Headers, number: int) -> list[socket.socket]:
    """Send the heads of requests and the first byte of each body."""
    head = (
        f"POST /api/v1/jobs HTTP/1.1\r\nHost: door\r\nAuthorization: {key['Authorization']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
    )
    begun = []
    for _ in range(number):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=PATIENCE))
        one.sendall(head.encode())
        begun.append(one)
    return begun


def test_a_producer_that_does_not_send_its_bodies_is_refused_and_holds_up_nobody(
    settings: Settings, make_key: KeyMaker
) -> None:
    slow, other = (make_key("jobs:write", name=name) for name in ("slow", "other"))

    def post(key: Headers) -> httpx.Response:
        return httpx.post(f"{url}/api/v1/jobs", json=ECHO, headers=key, timeout=PATIENCE)

    with ExitStack() as stack:
        _, url = stack.enter_context(served(replace(settings, web_threads=8, web_waiters=2, web_streams=2)))
        begin_bodies(stack, url, slow, 24)
        assert [post(other).status_code for _ in range(5)] == [202] * 5
        eventually(lambda: post(slow).status_code == 429, within=PATIENCE)
        refused = post(slow)
        assert "4 requests of this producer" in refused.json()["error"]["message"]
        assert refused.headers["Retry-After"] == "1"


def test_a_body_that_does_not_come_is_not_waited_for_longer_than_its_time(settings: Settings, key: Headers) -> None:
    with ExitStack() as stack:
        few = replace(settings, web_threads=8, web_waiters=2, web_streams=2, web_body_seconds=2)
        _, url = stack.enter_context(served(few))
        begun = begin_bodies(stack, url, key, 4)
        for one in begun:
            assert one.recv(4_096) == b""  # hung up, without an answer to half a request
        assert httpx.post(f"{url}/api/v1/jobs", json=ECHO, headers=key, timeout=PATIENCE).status_code == 202


def test_clients_that_do_not_read_hold_no_stream_for_longer_than_its_time(
    settings: Settings, database: Database, key: Headers
) -> None:
    with ExitStack() as stack:
        _, url = stack.enter_context(served(replace(settings, web_streams=STREAMS, web_stream_seconds=1)))
        job = httpx.post(f"{url}/api/v1/jobs", json=ECHO, headers=key, timeout=PATIENCE).json()["id"]
        give_history(database, UUID(job), 99, size=100_000)  # more than the buffers of the loopback hold
        path = f"/api/v1/jobs/{job}/events"
        asked = f"GET {path} HTTP/1.1\r\nHost: door\r\nAuthorization: {key['Authorization']}\r\n\r\n"
        for _ in range(STREAMS):
            deaf = stack.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            deaf.connect(("127.0.0.1", httpx.URL(url).port or 0))
            deaf.sendall(asked.encode())
            assert deaf.recv(12) == b"HTTP/1.1 200"
        eventually(lambda: httpx.get(f"{url}{path}", headers=key).status_code == 200, within=PATIENCE)


def test_a_killed_server_leaves_no_worker_behind(server: tuple[subprocess.Popen[bytes], str]) -> None:
    process, url = server
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    eventually(lambda: all_have_ended(workers), within=PATIENCE)
    eventually(lambda: refuses_connections(url), within=PATIENCE)  # what stands in the kernel's queue is cut first


def refuses_connections(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=2)
    except httpx.ConnectError:
        return True
    return False


def test_a_body_without_a_length_is_limited_too(server: tuple[subprocess.Popen[bytes], str], key: Headers) -> None:
    _, url = server

    def endless() -> Iterator[bytes]:
        yield b'{"task": "demo.echo", "args": {"message": "'
        for _ in range(400):
            yield b"x" * 1024
        yield b'"}}'

    headers = key | {"Content-Type": "application/json"}
    assert httpx.post(f"{url}/api/v1/jobs", content=endless(), headers=headers, timeout=PATIENCE).status_code == 413
    small = httpx.post(
        f"{url}/api/v1/jobs",
        content=iter([b'{"task": "demo.echo", "args": {"message": "x"}}']),
        headers=headers,
        timeout=PATIENCE,
    )
    assert small.status_code == 202


def test_many_connections_are_served_at_once(
    server: tuple[subprocess.Popen[bytes], str], key: Headers, database: Database
) -> None:
    _, url = server
    with (
        httpx.Client(headers=key, limits=httpx.Limits(max_connections=16), timeout=PATIENCE) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        statuses = list(threads.map(lambda _: client.post(f"{url}/api/v1/jobs", json=ECHO).status_code, range(200)))
    assert statuses == [202] * 200
    assert count(database) == count(database, "outbox") == 200
