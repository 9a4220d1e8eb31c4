"""The real server: it answers over a socket, and a SIGTERM cuts nobody off."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import psutil
import pytest

from gristmill.ports import free_port
from shared.db import Database
from shared.settings import Settings, environment
from tests.eventually import eventually
from tests.integration.ingress.conftest import Headers
from tests.integration.ingress.rows import a_write_waits, count, jobs_locked
from tests.processes import all_have_ended

ECHO = {"task": "demo.echo", "args": {"message": "hello"}}
SERVE = "from ingress.serve import run; from shared.settings import load_settings; run(load_settings(None))"


@pytest.fixture
def server(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    chosen = replace(settings, port=free_port())
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment(chosen))
    url = f"http://127.0.0.1:{chosen.port}"
    try:
        eventually(lambda: httpx.get(f"{url}/healthz").status_code == 200, within=30)
        yield process, url
    finally:
        process.kill()
        process.wait(timeout=10)


def test_a_sigterm_lets_requests_finish(
    server: tuple[subprocess.Popen[bytes], str], key: Headers, database: Database
) -> None:
    process, url = server
    with ThreadPoolExecutor(8) as threads:
        with jobs_locked(database):
            answers = [threads.submit(httpx.post, f"{url}/api/v1/jobs", json=ECHO, headers=key) for _ in range(8)]
            eventually(lambda: a_write_waits(database))
            process.send_signal(signal.SIGTERM)
            eventually(lambda: refuses_connections(url))
        assert [answer.result(timeout=20).status_code for answer in answers] == [202] * 8
    assert process.wait(timeout=30) == 0
    assert count(database) == 8


def test_a_killed_server_leaves_no_worker_behind(server: tuple[subprocess.Popen[bytes], str]) -> None:
    process, url = server
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    eventually(lambda: all_have_ended(workers))
    assert refuses_connections(url)


def refuses_connections(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=1)
    except httpx.TransportError:
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
    assert httpx.post(f"{url}/api/v1/jobs", content=endless(), headers=headers).status_code == 413
    small = httpx.post(
        f"{url}/api/v1/jobs", content=iter([b'{"task": "demo.echo", "args": {"message": "x"}}']), headers=headers
    )
    assert small.status_code == 202


def test_many_connections_are_served_at_once(
    server: tuple[subprocess.Popen[bytes], str], key: Headers, database: Database
) -> None:
    _, url = server
    with (
        httpx.Client(headers=key, limits=httpx.Limits(max_connections=16)) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        statuses = list(threads.map(lambda _: client.post(f"{url}/api/v1/jobs", json=ECHO).status_code, range(200)))
    assert statuses == [202] * 200
    assert count(database) == count(database, "outbox") == 200
