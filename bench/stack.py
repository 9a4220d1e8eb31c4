"""The platform under measurement: private servers in a temporary folder and our processes, all ended by their pids."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import psycopg2
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name

from gristmill import migrations, ports, process
from gristmill.children import gristmill_command
from gristmill.process import Process, ServiceFailedError, tail
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ, find_rabbitmq
from gristmill.services.service import Service
from gristmill.services.valkey import Valkey
from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions, accept, prepare_on, terms_of
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.shared.queues import QUEUES
from gristmill.shared.settings import Secret, Settings, load_settings
from gristmill.shared.task import registry
from gristmill.up.environment import child_environment
from gristmill.up.unit import READY_FILE

QUEUE: Final = QUEUES["data_processing_queue"]  # the demo tasks' queue
load_plugins()  # for the jobs that are written without HTTP
PROGRAMS: Final = {
    "web": ["web"],
    "relay": ["relay"],
    "worker": ["worker", "--queue", QUEUE.name, "--concurrency", str(QUEUE.concurrency)],
    "maintenance": ["maintenance"],
}
PROGRAMS["second worker"] = PROGRAMS["worker"]
PROGRAMS["user worker"] = ["worker", "--queue", "user_queue", "--concurrency", "1"]
_FILL: Final = 1000  # jobs a statement when the outbox is filled
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0  # until one of ours is killed: a worker whose broker was stopped may wait longer


class Stack:
    """Postgres (durable), the broker, Valkey, and those of our processes that a part asks for.

    Args:
        broker: `rabbitmq` or `valkey`.
        postgres: more settings of Postgres.
    """

    def __init__(self, broker: str, postgres: Mapping[str, str] = MappingProxyType({})) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-bench-"))
        self.folder.chmod(0o755)  # Postgres may have to run as nobody; what is in it is private
        self.broker_kind = broker
        self.postgres = Postgres(self.folder / "postgres", settings=postgres)
        self.valkey = Valkey(self.folder / "valkey")
        self.rabbitmq = RabbitMQ(self.folder / "rabbitmq") if broker == "rabbitmq" else None
        self.port = ports.free_port()
        self.key = ""
        self._running: dict[str, Process] = {}
        self.environment: dict[str, str] = {}
        self._connection: PostgresConnection | None = None
        self._database: Database | None = None

    @property
    def broker(self) -> Service:
        """The server that carries the hints."""
        return self.rabbitmq or self.valkey

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor() as pool:
                for started in [pool.submit(server.start, _START_SECONDS) for server in self._servers()]:
                    started.result()
            self._prepare()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything, and remove the folder."""
        self.run_only()
        if self._connection is not None:
            self._connection.close()
        if self._database is not None:
            self._database.dispose()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.stop(), self._servers()))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _servers(self) -> list[Service]:
        return [self.postgres, self.valkey, *([self.rabbitmq] if self.rabbitmq else [])]

    def _prepare(self) -> None:
        migrations.upgrade(self.postgres.url)
        made = {
            "GRISTMILL_DATABASE_URL": self.postgres.url,
            "GRISTMILL_BROKER_URL": self.rabbitmq.url() if self.rabbitmq else self.valkey.url_of(0),
            "GRISTMILL_REDIS_URL": self.valkey.url_of(1),
            "GRISTMILL_SMTP_URL": f"smtp://{ports.LOOPBACK}:{ports.free_port()}",  # nobody: no mail is sent
            "GRISTMILL_SECRET_KEY": secrets.token_hex(32),
            "GRISTMILL_HOST": ports.LOOPBACK,
            "GRISTMILL_PORT": str(self.port),
            "GRISTMILL_DEMO_TASKS": "true",
        }
        os.environ.update(made)  # other GRISTMILL_… variables stay: this is how a setting is tried out
        self.environment = child_environment(made)
        self._connection = psycopg2.connect(self.postgres.url, application_name="bench")
        self._connection.autocommit = True
        with self.database.transaction() as session:
            self.key = create_key(session, create_producer(session, "bench", [ADMIN]))

    @property
    def settings(self) -> Settings:
        """The settings that the processes get."""
        return load_settings(dotenv=None)

    @property
    def database(self) -> Database:
        """A way to the database for this process."""
        if self._database is None:
            self._database = Database(self.settings, application_name="bench", pool_size=1)
        return self._database

    def make_database(self, name: str, prepare: Callable[[str], None]) -> tuple[str, str]:
        """Make another database on the same server, have it prepared, and return its URL and an admin's key."""
        self.query(f"CREATE DATABASE {name}")
        url = self.postgres.url_of(name)
        prepare(url)
        database = Database(replace(self.settings, database_url=Secret(url)), application_name="bench", pool_size=1)
        with database.transaction() as session:
            key = create_key(session, create_producer(session, "bench", [ADMIN]))
        database.dispose()
        return url, key

    @contextmanager
    def connected(self, url: str) -> Iterator[PostgresConnection]:
        """Connect to one of the server's databases; each statement commits by itself."""
        connection = psycopg2.connect(url, application_name="bench")
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        assert self._connection is not None  # noqa: S101  made when the stack was entered
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def run_only(self, *names: str) -> None:
        """Have exactly these of our processes running, and return when they are ready."""
        ending = [self._running.pop(name) for name in list(self._running) if name not in names]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: process.stop(each, signal.SIGTERM, deadline_seconds=_STOP_SECONDS), ending))
        for name in names:
            if name not in self._running:
                self._start(name)

    def _start(self, name: str) -> None:
        ready_file = self.folder / f"{name}.ready"
        ready_file.unlink(missing_ok=True)
        log = self.folder / f"{name}.log"
        env = {**self.environment, READY_FILE: str(ready_file)}
        started = process.spawn(gristmill_command(*PROGRAMS[name]), env=env, log=log, cwd=self.folder)
        self._running[name] = started
        looks: dict[str, Callable[[], bool]] = {
            "web": self._answers_http,
            "worker": ready_file.exists,
            "second worker": ready_file.exists,
            "user worker": ready_file.exists,
            "relay": lambda: self._is_connected("gristmill relay (listen)"),
            "maintenance": lambda: self._is_connected("gristmill maintenance"),
        }
        process.wait_until_ready(name, started, looks[name], log=log, deadline_seconds=_START_SECONDS)

    def _answers_http(self) -> bool:
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _is_connected(self, application: str) -> bool:
        return bool(self.query("SELECT 1 FROM pg_stat_activity WHERE application_name = %s", application))

    def pids(self) -> dict[str, int]:
        """Return the leading process of everything that runs, by name."""
        servers = {server.name: server.process for server in self._servers() if server.is_running()}
        return {name: each.pid for name, each in {**self._running, **servers}.items() if each is not None}

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of our processes."""
        os.kill(self._running[name].pid, number)

    def kill(self, pid: int) -> None:
        """Kill one of our processes, as the kernel does that is out of memory; `run_only` starts it again."""
        name = next(name for name, each in self._running.items() if each.pid == pid)
        os.kill(pid, signal.SIGKILL)
        self._running.pop(name).wait(_STOP_SECONDS)

    def forget_jobs(self) -> None:
        """Empty the tables of jobs, between two parts that must not disturb each other. Nothing may be under way."""
        self.query(
            "TRUNCATE gristmill.jobs, gristmill.outbox, gristmill.attempts, gristmill.dead_letters, "
            "gristmill.idempotency_keys, gristmill.demo_effects CASCADE"
        )

    def fill(self, task: str, args: dict[str, Any], count: int, tag: str) -> None:
        """Accept `count` jobs without HTTP, in transactions of a thousand."""
        kind, secret_key = registry.get(task, demo=True), self.database.settings.secret_key
        terms = terms_of(kind, JobOptions(tags=(tag,)))
        for first in range(0, count, _FILL):
            size = min(_FILL, count - first)
            jobs = [prepare_on(terms, kind, args, secret_key=secret_key) for _ in range(size)]
            with self.database.transaction() as session:
                accept(session, jobs)

    def wait_until(self, is_so: Callable[[], bool], *, seconds: float, what: str, every: float = 0.1) -> float:
        """Wait until `is_so()`, and return the seconds it took.

        Raises:
            ServiceFailedError: it took too long, or one of our processes ended.
        """
        began = time.perf_counter()
        while not is_so():
            self._look_after_processes()
            if time.perf_counter() - began > seconds:
                raise ServiceFailedError(f"{what}: not within {seconds:g} s")
            time.sleep(every)
        return time.perf_counter() - began

    def _look_after_processes(self) -> None:
        for name, each in self._running.items():
            if each.poll() is not None:
                log = self.folder / f"{name}.log"
                raise ServiceFailedError(f"{name} ended with exit code {each.returncode}:\n{tail(log)}")

    def all_ended(self) -> bool:
        """Return whether no job is live any more."""
        live = "state IN ('scheduled', 'queued', 'running', 'retrying')"
        return self.query(f"SELECT NOT EXISTS (SELECT FROM gristmill.jobs WHERE {live})")[0][0] is True  # noqa: S608  a constant

    def states(self) -> dict[str, int]:
        """Return the number of jobs in each state."""
        return {
            str(state): int(count)
            for state, count in self.query("SELECT state, count(*) FROM gristmill.jobs GROUP BY 1")
        }


def broker_or_valkey(wanted: str) -> tuple[str, str | None]:
    """Return the broker to use, and a remark when it is not the one that was wanted."""
    if wanted == "rabbitmq" and find_rabbitmq() is None:
        return "valkey", "RabbitMQ is not installed (`apt-get install rabbitmq-server`): Valkey is the broker here"
    return wanted, None


def say(text: str) -> None:
    """Show progress: on standard error, so that standard output holds the table alone."""
    print(text, file=sys.stderr, flush=True)
