"""Check readiness: Postgres, migrations, Redis and the broker, in parallel, each with a deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import redis
import structlog

from gristmill import migrations
from gristmill.shared.database.server import ping
from gristmill.shared.database.timeouts import limit_statements

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database
    from gristmill.shared.settings import Settings

DEADLINE: Final = 2.0  # seconds for all checks together: a probe runs every few seconds
BROKER_DEADLINE: Final = 0.5
_PORTS: Final = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
REQUIRED: Final = frozenset({"postgres", "migrations"})  # without the others jobs are still accepted

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check. `cause` names no host and no password."""

    status: str
    latency_ms: float
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """The results of all checks. `status` is `ready`, `degraded` (jobs are accepted) or `unready`."""

    status: str
    checks: dict[str, Check]


class Readiness:
    """The checks of one process. Each runs once at a time, so that a hanging one does not pile up."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._broker = settings.broker_url
        self._redis = redis.Redis.from_url(
            settings.redis_url.reveal(), socket_timeout=1, socket_connect_timeout=1, max_connections=2
        )
        self._checks: dict[str, Callable[[], None]] = {
            "postgres": self._ask_postgres,
            "migrations": self._compare_migrations,
            "redis": self._ask_redis,
            "broker": self._reach_broker,
        }
        self._running: dict[str, Future[Check]] = {}
        self._lock = threading.Lock()

    def check(self, deadline: float = DEADLINE) -> ReadinessReport:
        """Run every check and return the results, after `deadline` seconds at most."""
        ends_at = time.monotonic() + deadline
        asked = {name: self._start(name) for name in self._checks}
        found = {name: _wait(answer, ends_at, deadline) for name, answer in asked.items()}
        failed = {name for name, check in found.items() if check.status != "ok"}
        status = "unready" if failed & REQUIRED else "degraded" if failed else "ready"
        return ReadinessReport(status, found)

    def _start(self, name: str) -> Future[Check]:
        with self._lock:
            running = self._running.get(name)
            if running is not None and not running.done():
                return running
            answer: Future[Check] = Future()
            self._running[name] = answer
            threading.Thread(target=self._run, args=(name, answer), name=f"check-{name}", daemon=True).start()
            return answer

    def _run(self, name: str, answer: Future[Check]) -> None:
        began = time.monotonic()
        try:
            self._checks[name]()
            answer.set_result(Check(status="ok", latency_ms=_milliseconds_since(began)))
        except Exception as error:  # noqa: BLE001  one failing check never stops the others
            log.warning("readiness.check_failed", check=name, error=str(error)[:300])
            cause = str(error) if isinstance(error, NotMigratedError) else type(error).__name__
            answer.set_result(Check(status=_failed(name), latency_ms=_milliseconds_since(began), cause=cause))

    def _ask_postgres(self) -> None:
        with self._database.transaction() as session:
            ping(session, seconds=1)

    def _compare_migrations(self) -> None:
        with self._database.transaction() as session:
            limit_statements(session, seconds=1)
            lag = migrations.lag(session)
        if lag is not None:
            raise NotMigratedError(lag)

    def _ask_redis(self) -> None:
        self._redis.ping()

    def _reach_broker(self) -> None:
        # The ingress speaks no AMQP. It can only tell whether the port accepts a connection.
        url = urlsplit(self._broker.reveal())
        with socket.create_connection((url.hostname or "localhost", url.port or _PORTS[url.scheme]), BROKER_DEADLINE):
            pass


class NotMigratedError(Exception):
    """The database has other revisions than this code."""

    def __init__(self, lag: str) -> None:
        super().__init__(f"the schema is behind, {lag}: run `gristmill db upgrade`")


def _wait(answer: Future[Check], ends_at: float, deadline: float) -> Check:
    try:
        return answer.result(max(0.0, ends_at - time.monotonic()))
    except TimeoutError:
        return Check(status="failed", latency_ms=deadline * 1000, cause=f"no answer within {deadline:g} s")


def _failed(name: str) -> str:
    return "failed" if name in REQUIRED else "degraded"


def _milliseconds_since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
