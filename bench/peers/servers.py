"""The servers of a peer in one round: a database, a virtual host and an empty Valkey database, gone afterwards."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import redis

from bench.peers.environments import ROOT
from bench.peers.inside.work import MARKS
from bench.peers.marks import Marks
from gristmill.process import ServiceFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from bench.stack import Stack

REDIS_DATABASE: Final = 7  # ours are 0 and 1
EFFECTS: Final = (
    "CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sent float8 NOT NULL, "
    "at timestamptz NOT NULL DEFAULT clock_timestamp())"
)


class PeerServers:
    """Made for one peer and one round, on the servers of a stack.

    Args:
        stack: the servers.
        name: of the database, the virtual host and the folder.
        sync: when Valkey syncs.
    """

    def __init__(self, stack: Stack, name: str, sync: str = "") -> None:
        if stack.rabbitmq is None:
            raise ServiceFailedError("RabbitMQ is needed for a comparison: apt-get install rabbitmq-server")
        self.stack = stack
        self.name = name.replace("-", "_")
        self.rabbitmq = stack.rabbitmq
        self.folder: Path = stack.folder / self.name
        self.folder.mkdir(mode=0o700)
        self.marks = Marks(self.folder / "marks")
        self.database_url = stack.postgres.url_of(self.name)
        self.redis_url = stack.valkey.url_of(REDIS_DATABASE)
        self.environment: dict[str, str] = {}
        self._sync = sync or "everysec"

    def open(self) -> None:
        """Make all of it."""
        self.stack.query(f"CREATE DATABASE {self.name}")
        self.stack.query("CHECKPOINT")  # nobody pays for what the one before has written
        self.run(EFFECTS)
        self._redis("FLUSHDB")
        self._redis("CONFIG", "SET", "appendfsync", self._sync)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self.environment = {
            "PEER_DATABASE_URL": self.database_url,
            "PEER_AMQP_URL": self.rabbitmq.create_vhost(self.name),
            "PEER_REDIS_URL": self.redis_url,
            "RQ_REDIS_URL": self.redis_url,  # `rq worker` would take it from its command line, too, for all to read
            MARKS: str(self.marks.path),
            "PYTHONPATH": path,
        }

    def close(self) -> None:
        """Remove all of it."""
        self._redis("FLUSHDB")
        self.rabbitmq.delete_vhost(self.name)
        self.stack.query(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self, tables: str) -> None:
        """Forget the jobs in these tables, in all queues of the virtual host, and in Valkey."""
        if tables:
            self.run(f"TRUNCATE {tables}")
        vhost = quote(self.name, safe="")
        queues: Any = self.rabbitmq.api("GET", f"/api/queues/{vhost}")
        for queue in queues:
            self.rabbitmq.api("DELETE", f"/api/queues/{vhost}/{quote(queue['name'], safe='')}/contents")
        self._redis("FLUSHDB")

    def run(self, statement: str) -> None:
        """Run a statement in the database, and give up where it has to wait long for a lock."""
        with self.stack.connected(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
            cursor.execute(statement)

    def effects(self) -> int:
        """Return how many rows the jobs with an effect have written."""
        with self.stack.connected(self.database_url) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM effects")
            return int(cursor.fetchall()[0][0])

    def servers(self) -> dict[str, int]:
        """Return the servers' leading processes, by name."""
        servers = (self.stack.postgres, self.stack.valkey, self.rabbitmq)
        return {server.name: server.process.pid for server in servers if server.process is not None}

    def log(self, name: str) -> Path:
        """Return where a process' output goes."""
        return self.folder / f"{name}.log"

    def _redis(self, *command: str) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            client.execute_command(*command)
