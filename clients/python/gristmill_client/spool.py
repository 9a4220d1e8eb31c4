"""Store jobs on this machine while the API is unreachable: a SQLite file that processes may share."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill_client.errors import SpoolFullError

KEY_LIVES = 23 * 3600.0  # seconds after its first try in which a job may be tried again: the API keeps keys for 24 h
UNSURE = (
    "It was sent once without an answer, and its idempotency key is no longer known: check whether the job exists, "
    "then post it again or forget it"
)
BUSY = 10.0  # seconds to wait while another process writes to the file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    spooled_at REAL NOT NULL,
    tried_at REAL,
    held_until REAL NOT NULL DEFAULT 0,
    error TEXT
)
"""


@dataclass(frozen=True)
class Entry:
    """A job in the spool."""

    number: int
    idempotency_key: str
    body: dict[str, Any]
    spooled_at: float
    tried_at: float | None


@dataclass(frozen=True)
class Refused:
    """A job that was set aside: the API refused it, or its acceptance can no longer be determined."""

    number: int
    body: dict[str, Any]
    error: str


@dataclass(frozen=True)
class Flushed:
    """The result of a flush: the numbers of jobs that were accepted, were set aside, and are left."""

    sent: int
    refused: int
    left: int


class Spool:
    """A queue of jobs in a SQLite file.

    Args:
        path: the path of the file; its folder must exist.
        limit: the number of jobs that the file may hold.
    """

    def __init__(self, path: str | Path, *, limit: int) -> None:
        self._path = str(path)
        self._limit = limit
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # spooled jobs survive a power cut
        with self._transaction() as database:
            database.execute(_SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def add(self, body: dict[str, Any], idempotency_key: str, *, tried: bool) -> None:
        """Store a job; it is on disk when this returns.

        Args:
            tried: the job was sent without an answer, so the API may have accepted it.

        Raises:
            SpoolFullError: the spool is full.
        """
        now = time.time()
        with self._transaction() as database:
            (count,) = database.execute("SELECT count(*) FROM jobs").fetchone()
            if count >= self._limit:
                msg = f"The spool {self._path} holds {count} jobs, as many as it may (spool_limit); nothing was stored"
                raise SpoolFullError(msg)
            database.execute(
                "INSERT INTO jobs (idempotency_key, body, spooled_at, tried_at) VALUES (?, ?, ?, ?)",
                (idempotency_key, json.dumps(body), now, now if tried else None),
            )

    def take(self, most: int, *, hold: float) -> list[Entry]:
        """Return up to `most` of the oldest jobs, and reserve them for `hold` seconds.

        Returns none while another process has reserved some, so that jobs leave in order. Jobs that were first tried
        too long ago are set aside.
        """
        now = time.time()
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET error = ? WHERE error IS NULL AND tried_at < ?",
                (UNSURE, now - KEY_LIVES),
            )
            if database.execute("SELECT 1 FROM jobs WHERE error IS NULL AND held_until > ?", (now,)).fetchone():
                return []
            rows = database.execute(
                "SELECT number, idempotency_key, body, spooled_at, tried_at FROM jobs WHERE error IS NULL "
                "ORDER BY number LIMIT ?",
                (most,),
            ).fetchall()
            database.executemany(
                "UPDATE jobs SET held_until = ?, tried_at = coalesce(tried_at, ?) WHERE number = ?",
                [(now + hold, now, row[0]) for row in rows],
            )
        return [Entry(number, key, json.loads(body), spooled, tried) for number, key, body, spooled, tried in rows]

    def give_back(self, entries: Sequence[Entry], *, never_sent: bool) -> None:
        """Release jobs that could not be sent; with `never_sent`, this try does not count."""
        with self._transaction() as database:
            for entry in entries:
                database.execute("UPDATE jobs SET held_until = 0 WHERE number = ?", (entry.number,))
                if never_sent:
                    database.execute("UPDATE jobs SET tried_at = ? WHERE number = ?", (entry.tried_at, entry.number))

    def settle(self, sent: Sequence[Entry], refused: Sequence[tuple[Entry, str]]) -> None:
        """Delete the jobs that were accepted, and set aside those that were refused."""
        with self._transaction() as database:
            database.executemany("DELETE FROM jobs WHERE number = ?", [(entry.number,) for entry in sent])
            database.executemany(
                "UPDATE jobs SET error = ?, held_until = 0 WHERE number = ?",
                [(error, entry.number) for entry, error in refused],
            )

    def count(self) -> int:
        """Return the number of jobs to be sent."""
        with self._lock:
            (count,) = self._connection.execute("SELECT count(*) FROM jobs WHERE error IS NULL").fetchone()
        return int(count)

    def refused(self) -> list[Refused]:
        """Return the jobs that were set aside, oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, body, error FROM jobs WHERE error IS NOT NULL ORDER BY number"
            ).fetchall()
        return [Refused(number, json.loads(body), error) for number, body, error in rows]

    def forget(self, number: int) -> None:
        """Delete a job that was set aside."""
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE number = ? AND error IS NOT NULL", (number,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
