"""The Python client on a real ingress that dies, and over a line that breaks: every job is there once."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy import text

from gristmill import ports
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill_client import (
    SPOOLED,
    Cancelled,
    Client,
    ConflictError,
    Count,
    InvalidError,
    Job,
    NotFoundError,
    SignatureError,
    SpoolFullError,
    UnauthorizedError,
    UnreachableError,
    job_body,
    verify_callback,
)
from tests.cluster import ROOT, Cluster, cluster
from tests.eventually import eventually
from tests.factories import own_database, reached

pytestmark = pytest.mark.timeout(600)
ECHO = ("demo.echo", {"message": "m"})


class Line:
    """A way to the ingress that can be cut: before an answer comes back, or altogether."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server = socket.create_server((ports.LOOPBACK, 0))
        self.url = f"http://{ports.LOOPBACK}:{self._server.getsockname()[1]}"
        self.answers_to_lose = 0
        self.lost = 0
        self._losing = threading.Lock()
        self._carried: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        self._carried.append(near)
        with suppress(OSError), near, socket.create_connection((ports.LOOPBACK, self._upstream)) as far:
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
            while data := far.recv(65_536):
                if self._loses():
                    for end in (near, far):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                near.sendall(data)

    def _loses(self) -> bool:
        """Say whether this answer is one of those to lose, and count it."""
        with self._losing:
            loses = self.answers_to_lose > 0
            self.answers_to_lose -= loses
            self.lost += loses
        return loses

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)

    def cut(self) -> None:
        """Cut every connection that is open; new ones are taken."""
        while self._carried:
            with suppress(OSError):
                self._carried.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def web(servers_folder: Path, postgres_server: Postgres, migrated_template: str) -> Iterator[tuple[Cluster, Database]]:
    """An ingress of its own, without anybody who runs the jobs."""
    with ExitStack() as stack:
        url = stack.enter_context(own_database(postgres_server, migrated_template))
        database = stack.enter_context(reached(url))
        made = stack.enter_context(cluster(servers_folder / f"client-{os.getpid()}", database.settings))
        made.web()
        yield made, database


@pytest.fixture
def database(web: tuple[Cluster, Database]) -> Database:
    return web[1]


@pytest.fixture
def ingress(web: tuple[Cluster, Database]) -> Cluster:
    web[0].up()
    return web[0]


@pytest.fixture
def key(database: Database) -> str:
    """The key of a new producer, who sees its own jobs only."""
    with database.transaction() as session:
        producer = create_producer(session, f"producer-{os.urandom(6).hex()}", ["jobs:read", "jobs:write"])
        return create_key(session, producer)


MakeClient = Callable[..., Client]


@pytest.fixture
def make(ingress: Cluster, key: str) -> Iterator[MakeClient]:
    """Make clients, closed at the end."""
    with ExitStack() as stack:

        def make_client(url: str | None = None, api_key: str = key, **options: Any) -> Client:
            return stack.enter_context(Client(url or ingress.url, api_key, **options))

        yield make_client


@pytest.fixture
def line(ingress: Cluster) -> Iterator[Line]:
    made = Line(ingress.port)
    yield made
    made.close()


def stored(database: Database, key: str) -> list[tuple[UUID, dict[str, Any]]]:
    """The jobs of the producer of `key`, oldest first."""
    query = text(
        "SELECT jobs.id, args FROM gristmill.jobs JOIN gristmill.api_keys "
        "USING (producer_id) WHERE api_keys.id = :key ORDER BY jobs.id"
    )
    with database.transaction() as session:
        return [(row.id, row.args) for row in session.execute(query, {"key": key.split("_")[1]})]


def messages(database: Database, key: str) -> list[str]:
    return [args["message"] for _, args in stored(database, key)]


def test_a_posted_job_is_followed_by_its_id(make: MakeClient, database: Database, key: str) -> None:
    client = make()
    job = client.post(*ECHO, delay=timedelta(hours=1), tags=["a"], max_attempts=2)
    assert (job.state, job.task, job.queue) == ("scheduled", "demo.echo", "data_processing_queue")
    assert job.run_at is not None
    assert job.run_at > datetime.now(UTC) + timedelta(minutes=50)
    found = client.get(str(job.id))
    assert (found.id, found.data["tags"], found.data["max_attempts"]) == (job.id, ["a"], 2)
    assert "not due" in (found.waiting_for or "")
    assert [row[0] for row in stored(database, key)] == [UUID(str(job.id))]


def test_a_job_whose_answer_was_lost_is_there_once(make: MakeClient, line: Line, database: Database, key: str) -> None:
    client = make(line.url)
    line.answers_to_lose = 2
    job = client.post(*ECHO)
    assert line.lost == 2
    assert [row[0] for row in stored(database, key)] == [UUID(str(job.id))]


def test_many_threads_share_a_client(make: MakeClient, line: Line, database: Database, key: str) -> None:
    client = make(line.url)
    line.answers_to_lose = 5
    threads = [threading.Thread(target=lambda: [client.post(*ECHO) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    assert len(stored(database, key)) == 80


def test_a_refusal_is_an_error_that_says_what_is_wrong_and_never_the_key(make: MakeClient, key: str) -> None:
    client = make()
    with pytest.raises(InvalidError) as refused:
        client.post("demo.echo", {"mesage": "m"})
    assert (refused.value.status, refused.value.code) == (422, "TASK_ARGS_INVALID_001")
    assert "args.mesage" in refused.value.details
    assert refused.value.request_id
    with pytest.raises(NotFoundError):
        client.get("0198c0de-0000-7000-8000-000000000000")
    with pytest.raises(UnauthorizedError) as unknown:
        make(api_key=key[:-1] + ("A" if key[-1] != "A" else "B")).post(*ECHO)
    with pytest.raises(UnreachableError) as away:
        make(f"http://{ports.LOOPBACK}:{ports.free_port()}", patience=0.3).post(*ECHO)
    assert key not in repr(client) + str(unknown.value) + str(away.value)


def test_many_jobs_are_posted_by_few_requests_each_with_its_own_answer(
    make: MakeClient, line: Line, database: Database, key: str
) -> None:
    client = make(line.url)
    line.answers_to_lose = 1
    jobs = [job_body("demo.echo", {"message": str(number)}) for number in range(1_100)]
    jobs[7] = job_body("demo.unknown")
    results = client.post_many(jobs)
    assert isinstance(results[7], InvalidError)
    assert results[7].code == "TASK_UNKNOWN_001"
    assert sum(isinstance(result, Job) for result in results) == 1_099
    assert sorted(messages(database, key)) == sorted(str(number) for number in range(1_100) if number != 7)
    with pytest.raises(InvalidError):
        client.post_many(jobs[:10], atomic=True)
    assert len(stored(database, key)) == 1_099
    assert len(list(client.list_jobs(state="queued"))) == 1_099


def test_jobs_are_searched_counted_and_cancelled_by_a_filter(make: MakeClient, database: Database, key: str) -> None:
    client = make()
    client.post_many([job_body("demo.echo", {"message": "m"}, tags=["keep" if number < 2 else "go"], delay=60)
                      for number in range(205)])  # fmt: skip
    where = {"and": [{"field": "tags", "contains": "go"}, {"field": "state", "in": ["scheduled", "queued"]}]}
    assert len({job.id for job in client.search(where)}) == 203
    assert client.count(where) == client.count(tag="go") == Count(203, more=False)
    assert [job.data["tags"] for job in client.search({"not": where}, task="demo.echo")] == [["keep"]] * 2
    with pytest.raises(InvalidError, match="details names"):
        client.count({"field": "colour", "eq": "red"})
    with pytest.raises(InvalidError):
        client.cancel_many()
    assert client.cancel_many(where, dry_run=True) == Cancelled(203, 0, 0)
    assert client.cancel_many(where, limit=100) == Cancelled(203, 203, 0)
    assert client.cancel_many(every=True) == Cancelled(2, 2, 0)


def test_a_wait_ends_with_the_job_or_with_its_time(make: MakeClient) -> None:
    client = make()
    job = client.post(*ECHO)
    assert client.wait(str(job.id), timeout=0.3).state == "queued"
    ended: list[Job] = []
    waiter = threading.Thread(target=lambda: ended.append(client.wait(str(job.id), timeout=60)))
    waiter.start()
    assert client.cancel(str(job.id)).state == "cancelled"
    waiter.join(60)
    assert [each.state for each in ended] == ["cancelled"]
    assert client.cancel(str(job.id)).has_ended
    with pytest.raises(ConflictError):
        client._transport.request("POST", f"/api/v1/jobs/{job.id}/retry")


def test_events_are_told_once_each_over_a_line_that_is_cut(make: MakeClient, line: Line) -> None:
    client = make(line.url)
    job = client.post(*ECHO)
    events = client.events(str(job.id))
    first = next(events)
    assert (first.type, first.data["state"]) == ("job.accepted", "queued")
    line.cut()
    make().cancel(str(job.id))
    assert [(event.type, event.data["state"]) for event in events] == [("job.cancelled", "cancelled")]


def test_events_of_a_job_that_does_not_end_are_given_up_after_their_time(make: MakeClient) -> None:
    client = make()
    events = client.events(str(client.post(*ECHO).id), timeout=4)
    assert next(events).type == "job.accepted"
    with pytest.raises(UnreachableError, match="not ended within"):
        next(events)


def test_events_of_a_job_that_is_not_there_are_an_error(make: MakeClient) -> None:
    with pytest.raises(NotFoundError):
        next(make().events("01890000-0000-7000-8000-000000000000"))


class TestTheSpool:
    """Jobs that are posted while the ingress is away."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "jobs.spool"

    def test_keeps_jobs_while_the_ingress_is_dead_and_sends_them_once_and_in_order(
        self, make: MakeClient, ingress: Cluster, database: Database, key: str, file: Path
    ) -> None:
        first = make().post("demo.echo", {"message": "0"})
        client = make(spool=file, flush_every=0)
        ingress.members["web"].kill()
        spooled = [client.post("demo.echo", {"message": str(number)}, delay=0) for number in range(1, 6)]
        assert {job.state for job in spooled} == {SPOOLED}
        assert client.flush().left == 5
        client.close()
        again = make(spool=file, flush_every=0.1)  # another run of the program
        ingress.up()
        eventually(lambda: again.spooled == 0, within=60)
        assert first.state == "queued"
        assert messages(database, key) == [str(number) for number in range(6)]
        eventually(lambda: again.post(*ECHO).state == "queued")  # straight to the ingress

    def test_sends_a_job_once_although_its_first_post_had_arrived(
        self, make: MakeClient, line: Line, database: Database, key: str, file: Path
    ) -> None:
        client = make(line.url, spool=file, flush_every=0)
        line.answers_to_lose = 1_000
        assert client.post(*ECHO, delay=60).state == SPOOLED
        assert line.lost
        assert len(stored(database, key)) == 1  # it was accepted, and nobody heard
        line.answers_to_lose = 0
        eventually(lambda: client.flush().sent == 1)
        assert len(stored(database, key)) == 1

    def test_sets_aside_what_is_refused_and_goes_on(
        self, make: MakeClient, ingress: Cluster, database: Database, key: str, file: Path
    ) -> None:
        nowhere = make(f"http://{ports.LOOPBACK}:{ports.free_port()}", spool=file, flush_every=0)
        for body in ({"message": "1"}, {"wrong": 1}, {"message": "2"}):
            nowhere.post("demo.echo", body)
        client = make(spool=file, flush_every=0)
        eventually(lambda: client.flush().left == 0)
        assert messages(database, key) == ["1", "2"]
        (refused,) = client.refused
        assert refused.body["args"] == {"wrong": 1}
        assert "TASK_ARGS_INVALID_001" in refused.error
        client.forget(refused)
        assert client.refused == []

    def test_does_not_send_again_what_may_be_there_already_once_its_key_is_forgotten(
        self, make: MakeClient, line: Line, file: Path
    ) -> None:
        client = make(line.url, spool=file, flush_every=0)
        line.answers_to_lose = 1_000
        client.post(*ECHO)
        line.answers_to_lose = 0
        with sqlite3.connect(file) as spool:
            spool.execute("UPDATE gristmill.jobs SET tried_at = tried_at - 24 * 3600")
        spool.close()
        assert client.flush().sent == 0
        assert "no longer known" in client.refused[0].error

    def test_holds_no_more_than_it_may(self, make: MakeClient, file: Path) -> None:
        nowhere = make(f"http://{ports.LOOPBACK}:{ports.free_port()}", spool=file, spool_limit=2, flush_every=0)
        for _ in range(2):
            nowhere.post(*ECHO)
        with pytest.raises(SpoolFullError, match="2 jobs, as many as it may"):
            nowhere.post(*ECHO)

    def test_is_emptied_by_two_processes_and_each_job_is_there_once_over_a_line_that_breaks(
        self, make: MakeClient, line: Line, database: Database, key: str, file: Path
    ) -> None:
        nowhere = make(f"http://{ports.LOOPBACK}:{ports.free_port()}", spool=file, flush_every=0)
        nowhere.post("demo.echo", {"message": "0"})
        for number in range(1, 350):
            nowhere.post("demo.echo", {"message": str(number)})
        line.answers_to_lose = 2
        code = (
            "import sys, time\nfrom gristmill_client import Client\n"
            "with Client(sys.argv[1], sys.argv[2], spool=sys.argv[3], flush_every=0.05) as client:\n"
            "    while client.spooled: time.sleep(0.02)\n"
        )
        env = os.environ | {"PYTHONPATH": str(ROOT / "clients" / "python")}
        command = [sys.executable, "-c", code, line.url, key, str(file)]
        both = [subprocess.Popen(command, env=env) for _ in range(2)]
        assert [each.wait(150) for each in both] == [0, 0]
        assert messages(database, key) == [str(number) for number in range(350)]


class TestACallback:
    """The test vector is the one of the Standard Webhooks libraries."""

    SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    BODY = b'{"test": 2432232314}'
    HEADERS: ClassVar[dict[str, str]] = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1a,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    def test_is_believed_when_one_of_the_secrets_signed_it(self) -> None:
        other = "whsec_" + "A" * 32
        body = verify_callback(self.HEADERS, self.BODY, [other, self.SECRET], tolerance=1e12)
        assert body == {"test": 2432232314}

    @pytest.mark.parametrize(
        ("headers", "body", "tolerance"),
        [
            ({}, BODY + b" ", 1e12),
            ({"Webhook-Id": "msg_other"}, BODY, 1e12),
            ({"Webhook-Timestamp": "1614265331"}, BODY, 1e12),
            ({"Webhook-Timestamp": "now"}, BODY, 1e12),
            ({"Webhook-Signature": "v1,%%% v2,x"}, BODY, 1e12),
            ({}, BODY, 300),
        ],
    )
    def test_is_not_believed_when_anything_of_it_differs(
        self, headers: dict[str, str], body: bytes, tolerance: float
    ) -> None:
        with pytest.raises(SignatureError):
            verify_callback(self.HEADERS | headers, body, self.SECRET, tolerance=tolerance)


def test_the_examples_of_its_readme_run(ingress: Cluster, key: str, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "clients/python/README.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    env = os.environ | {
        "PYTHONPATH": str(ROOT / "clients" / "python"),
        "GRISTMILL_URL": ingress.url,
        "GRISTMILL_API_KEY": key,
    }
    for example in examples:
        quick = example.replace("timeout=10", "timeout=0.1")
        done = subprocess.run(
            [sys.executable, "-c", quick],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(r"queued|sent=[01]", done.stdout)
