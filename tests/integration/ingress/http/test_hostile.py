"""What no sane client sends, over real sockets: it gets a 4xx or is cut off, nothing is stored, and all goes on."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import httpx
import psutil
import pytest
from sqlalchemy import text

from gristmill.ports import free_port
from gristmill.services.postgres import Postgres
from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.settings import Settings, environment
from tests.conftest import execute
from tests.eventually import eventually
from tests.integration.ingress.conftest import settings_for
from tests.integration.ingress.rows import everything_stored

SERVE = (
    "from gristmill.ingress.serve import run; from gristmill.shared.settings import load_settings; "
    "run(load_settings(None))"
)
JOB = b'{"task": "demo.echo", "args": {"message": "hello"}}'
TWICE = JOB[:-1] + b', "task": "demo.fail"}'
THREADS = 12
ROUNDS = 5  # of two hundred attacks
MOST_GROWTH = 8  # MiB a round: 40 KiB an attack
PATIENCE = 60  # seconds for an answer, also of a busy machine; a test fails then
NOTHING = {"jobs": 0, "outbox": 0, "idempotency_keys": 0}


KEY = b"gm_of_the_producer"  # a real one is put in its place


def head(*lines: str, method: str = "POST", path: str = "/api/v1/jobs", version: str = "1.1") -> bytes:
    start = [f"{method} {path} HTTP/{version}", "Host: door", f"Authorization: Bearer {KEY.decode()}"]
    return "\r\n".join([*start, "Content-Type: application/json", *lines]).encode("latin-1") + b"\r\n\r\n"


class Door:
    """The real server, on a database of this module's own."""

    def __init__(self, settings: Settings, database: Database, key: str) -> None:
        self.settings = settings
        self.database = database
        self.key = key
        self.url = f"http://127.0.0.1:{settings.port}"
        self.process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment(settings))

    def memory(self) -> float:
        """Return the resident memory of the server's worker process, in MiB."""
        return sum(child.memory_info().rss for child in psutil.Process(self.process.pid).children()) / 2**20

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.settings.port), timeout=PATIENCE)

    def send(self, data: bytes, *, ends: bool = False, until_closed: bool = False) -> bytes:
        """Send bytes and return what is answered: one whole answer, or all until the server hangs up.

        Args:
            ends: whether we say then that nothing more comes, as a client does that gives up in the middle.
            until_closed: whether the last request asks the server to hang up, so that each answer is waited for.
        """
        answer = b""
        with self.connect() as connection, suppress(OSError):  # it may hang up while we are still sending
            connection.settimeout(PATIENCE)
            connection.sendall(data.replace(KEY, self.key.encode()))
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                answer += piece
                if is_whole(answer) and not until_closed:
                    connection.settimeout(0.02)  # a second answer would be there by now
        return answer

    def post(self) -> int:
        return httpx.post(
            f"{self.url}/api/v1/jobs",
            content=JOB,
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            timeout=PATIENCE,
        ).status_code


@pytest.fixture(scope="module")
def door(postgres_server: Postgres, migrated_template: str) -> Iterator[Door]:
    execute(postgres_server, "CREATE DATABASE {} TEMPLATE {}", "door", migrated_template)
    with pytest.MonkeyPatch.context() as monkeypatch:
        settings = replace(settings_for(monkeypatch, postgres_server.url_of("door")), port=free_port())
    database = Database(settings)
    with database.transaction() as session:
        key = create_key(session, create_producer(session, "hostile", [ADMIN]))
    # Wrong keys are sent by several tests, in any order: none is to be answered for the others.
    door = Door(replace(settings, web_threads=THREADS, wrong_keys=1_000_000), database, key)
    try:
        eventually(lambda: httpx.get(f"{door.url}/healthz").status_code == 200, within=60)
        yield door
    finally:
        door.process.kill()
        door.process.wait(timeout=PATIENCE)
        database.dispose()
        execute(postgres_server, "DROP DATABASE {} WITH (FORCE)", "door")


@pytest.fixture(autouse=True)
def _nothing_stored(door: Door) -> None:
    with door.database.transaction() as session:
        session.execute(text("TRUNCATE gristmill.jobs, gristmill.outbox, gristmill.idempotency_keys CASCADE"))


def is_whole(answer: bytes) -> bool:
    """Say whether the last answer of a connection has all of its body."""
    start, found, body = answer[answer.rfind(b"HTTP/1.") :].partition(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", start)
    return bool(found) and size is not None and len(body) >= int(size[1])


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"(?:^|\n|\})HTTP/1\.[01] (\d{3})", answer)]


def length(body: bytes) -> str:
    return f"Content-Length: {len(body)}"


ATTACKS: dict[str, bytes] = {
    "no HTTP at all": b"\x16\x03\x01\x00\xff" * 20 + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": head(length(JOB), method="GRIND") + JOB,
    "TRACE": head(method="TRACE"),
    "CONNECT": b"CONNECT door:80 HTTP/1.1\r\nHost: door\r\n\r\n",
    "PUT": head(length(JOB), method="PUT") + JOB,
    "an asterisk": head(method="GET", path="*"),
    "dots": head(length(JOB), path="/api/v1/../v1/jobs") + JOB,
    "encoded dots": head(length(JOB), path="/api/v1/%2e%2e/v1/jobs") + JOB,
    "two slashes": head(length(JOB), path="//api/v1//jobs") + JOB,
    "NUL in the path": head(method="GET", path="/api/v1/jobs/%00"),
    "NUL in the query": head(method="GET", path="/api/v1/jobs?task=%00"),
    "overlong UTF-8": head(method="GET", path="/api/v1/%c0%ae%c0%ae/jobs"),
    "broken UTF-8": head(method="GET", path="/api/v1/jobs/%ff%fe"),
    "raw bytes in the path": head(method="GET", path="/api/v1/jobs/\xe4\xff"),
    "a long path": head(method="GET", path="/" + "a" * 50_000),
    "a path without end": head(method="GET", path="/" + "a" * 200_000),
    "many headers": head(*(f"X-{number}: x" for number in range(5_000))),
    "a large header": head("X-Large: " + "x" * 500_000),
    "a header without a name": head(": x", length(JOB)) + JOB,
    "a header in two lines": head("X-A: a\r\n b", length(JOB)) + JOB,
    "no host": b"POST /api/v1/jobs HTTP/1.1\r\n" + length(JOB).encode() + b"\r\n\r\n" + JOB,
    "two lengths": head("Content-Length: 4", length(JOB)) + JOB,
    "a length below zero": head("Content-Length: -1"),
    "a length beyond all": head("Content-Length: 99999999999999999999999999"),
    "a length that is too long": head(f"Content-Length: {len(JOB) + 7}") + JOB,
    "a length that is too short": head(f"Content-Length: {len(JOB) - 1}") + JOB,
    "a length of a gigabyte": head("Content-Length: 1073741824") + JOB,
    "an unknown coding": head("Transfer-Encoding: gzip", length(JOB)) + JOB,
    "broken chunks": head("Transfer-Encoding: chunked") + b"zz\r\n{\r\n0\r\n\r\n",
    "chunks that end early": head("Transfer-Encoding: chunked") + b"ff\r\n{",
    "a chunk beyond all": head("Transfer-Encoding: chunked") + b"fffffffffffffffff\r\n{",
    "a gzip bomb": head("Content-Encoding: gzip", length(JOB)) + JOB,
    "two content types": (head("Content-Type: text/plain", length(JOB)).replace(b"application/json", b"a/b") + JOB),
    "a form": (head(length(JOB)).replace(b"application/json", b"multipart/form-data; boundary=x") + JOB),
    "a key of bytes": head(length(JOB)).replace(b"Bearer gm_", b"Bearer \xff\xfe") + JOB,
    "an idempotency key of bytes": head("Idempotency-Key: \xff\x01", length(JOB)) + JOB,
    "UTF-16": head(length(JOB.decode().encode("utf-16"))) + JOB.decode().encode("utf-16"),
    "deep nesting": head(length(b"[" * 200_000)) + b"[" * 200_000,
    "a duplicate key": (head(length(TWICE)) + TWICE),
    "a WebSocket": head("Connection: Upgrade", "Upgrade: websocket", method="GET", path="/api/v1/tasks/x"),
}


CUT_OFF = {"HTTP/2"}  # the others get an answer
ENDS = {"a length that is too long", "chunks that end early"}  # the server waits for the rest until none can come


def attack(door: Door, name: str) -> bytes:
    return door.send(ATTACKS[name], ends=name in ENDS)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_or_cut_off_and_stores_nothing(door: Door, name: str) -> None:
    answer = attack(door, name)
    assert {status // 100 for status in statuses(answer)} == (set() if name in CUT_OFF else {4}), answer[:500]
    assert b"Traceback" not in answer
    for body in re.findall(rb"\r\n\r\n(\{.*?\}\})", answer):
        assert json.loads(body)["error"]["code"]
    assert everything_stored(door.database) == NOTHING


def test_what_is_unusual_and_sound_is_served(door: Door) -> None:
    pipelined = (head(length(JOB)) + JOB) * 2 + head(length(JOB), "Connection: close") + JOB
    assert statuses(door.send(pipelined, until_closed=True)) == [202] * 3
    assert statuses(door.send(head(length(JOB), version="1.0") + JOB)) == [202]
    chunks = b"".join(b"1\r\n" + JOB[at : at + 1] + b"\r\n" for at in range(len(JOB))) + b"0\r\n\r\n"
    assert statuses(door.send(head("Transfer-Encoding: chunked") + chunks)) == [202]
    absolute = head(length(JOB), path="http://elsewhere/api/v1/jobs") + JOB
    assert statuses(door.send(absolute)) == [202]
    assert statuses(door.send(head("Expect: 100-continue", length(JOB)) + JOB))[-1] == 202
    assert everything_stored(door.database)["jobs"] == 7


def test_clients_that_never_finish_a_body_do_not_hold_up_others(door: Door) -> None:
    slow = [door.connect() for _ in range(THREADS // 2 - 1)]
    try:
        for each in slow:
            each.sendall(head("Content-Length: 5000").replace(KEY, door.key.encode()) + b"{")
        assert [door.post() for _ in range(10)] == [202] * 10
    finally:
        for each in slow:
            each.close()


def test_who_has_no_key_is_refused_before_the_body(door: Door) -> None:
    slow = [door.connect() for _ in range(2 * THREADS)]
    try:
        for each in slow:
            each.sendall(head("Content-Length: 5000") + b"{")
        assert {status for each in slow for status in statuses(each.recv(4_096))} == {401}
        assert door.post() == 202
    finally:
        for each in slow:
            each.close()


def test_memory_stays_flat_under_hundreds_of_attacks(door: Door) -> None:
    """What attacks cost for good they cost each time; so one round that costs nothing shows that they do not."""

    def growth_of_a_round() -> float:
        before = door.memory()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda name: attack(door, name), list(ATTACKS) * 5))
        return door.memory() - before

    growths = [growth_of_a_round()]  # the first fills pools and caches
    while len(growths) < ROUNDS and (len(growths) == 1 or growths[-1] > MOST_GROWTH):
        growths.append(growth_of_a_round())
    assert growths[-1] <= MOST_GROWTH, growths
    assert door.post() == 202
