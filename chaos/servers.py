"""The private servers that are attacked, and the mail catcher that is not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg2
import redis
from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name

from gristmill import ports
from gristmill.process import ServiceFailedError
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ
from gristmill.services.service import Service
from gristmill.services.valkey import Valkey

START_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 3  # that a look from the harness may take; a paused server answers nothing
BROKER_NUMBER: Final = 0  # of Valkey's databases
CACHE_NUMBER: Final = 1


class Servers:
    """Postgres (durable), Valkey, RabbitMQ when it is the broker, and a mail catcher; all in one folder.

    Args:
        folder: theirs.
        broker: `rabbitmq` or `valkey`.
    """

    def __init__(self, folder: Path, broker: str) -> None:
        self.postgres = Postgres(folder / "postgres")
        self.valkey = Valkey(folder / "valkey")
        self.rabbitmq = RabbitMQ(folder / "rabbitmq") if broker == "rabbitmq" else None
        self.mails = MailCatcher(folder / "mails")
        self.topology = threading.Lock()  # held by who deletes queues, and by who must not meet a fresh one

    @property
    def broker(self) -> Service:
        """The server that carries the hints."""
        return self.rabbitmq or self.valkey

    @property
    def all(self) -> list[Service]:
        """All of them."""
        return [self.postgres, self.valkey, self.mails, *([self.rabbitmq] if self.rabbitmq else [])]

    def start(self) -> None:
        """Start all at the same time.

        Raises:
            ServiceFailedError: one did not start.
        """
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(server.start, START_SECONDS) for server in self.all]:
                started.result()

    def stop(self) -> None:
        """Stop all."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.stop(), self.all))

    def heal(self) -> None:
        """Have each of them running and answering again."""
        for server in self.all:
            if server.is_running():
                server.resume()
            else:
                server.start(START_SECONDS)

    def urls(self, network: dict[str, int]) -> dict[str, str]:
        """Return the settings that point at the servers, by way of the ports of the proxy."""
        rabbitmq = self.rabbitmq
        broker = rabbitmq.url() if rabbitmq else self.valkey.url_of(BROKER_NUMBER)
        broker_port = rabbitmq.port if rabbitmq else self.valkey.port
        return {
            "GRISTMILL_DATABASE_URL": _moved(self.postgres.url, self.postgres.port, network["postgres"]),
            "GRISTMILL_BROKER_URL": _moved(broker, broker_port, network["broker"]),
            "GRISTMILL_REDIS_URL": _moved(self.valkey.url_of(CACHE_NUMBER), self.valkey.port, network["redis"]),
            "GRISTMILL_SMTP_URL": self.mails.smtp_url,
        }

    def ports(self) -> dict[str, int]:
        """Return the real port of each server that the proxy stands in front of."""
        broker = self.rabbitmq.port if self.rabbitmq else self.valkey.port
        return {"postgres": self.postgres.port, "broker": broker, "redis": self.valkey.port}

    def connect(self) -> PostgresConnection:
        """Return a connection of the harness's own, past the proxy."""
        connection = psycopg2.connect(
            self.postgres.url,
            connect_timeout=LOOK_SECONDS,
            application_name="chaos",
            options="-c statement_timeout=60s",
        )
        connection.autocommit = True
        return connection

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own and return its rows."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            with suppress(psycopg2.Error):
                connection.close()

    def api(self, method: str, path: str) -> Any:
        """Ask RabbitMQ's management API.

        Raises:
            ServiceFailedError: the broker is Valkey, or the API refused or is away.
        """
        if self.rabbitmq is None:
            raise ServiceFailedError("the broker is Valkey: it has no management API")
        return self.rabbitmq.api(method, path, deadline_seconds=LOOK_SECONDS)

    def redis(self) -> redis.Redis:
        """Return a client of Valkey's database of hints."""
        return redis.Redis.from_url(
            self.valkey.url_of(BROKER_NUMBER), socket_timeout=LOOK_SECONDS, socket_connect_timeout=LOOK_SECONDS
        )


def _moved(url: str, port: int, to: int) -> str:
    return url.replace(f"@{ports.LOOPBACK}:{port}", f"@{ports.LOOPBACK}:{to}")
