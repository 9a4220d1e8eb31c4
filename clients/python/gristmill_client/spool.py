"""Jobs that wait on this machine for an API that cannot be reached: a SQLite file that processes may share."""

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

KEY_LIVES = 23 * 3600.0  # seconds after its first try that a job may be tried again: its key is known for 24 hours
UNSURE = (
    "It was sent once and not answered, and its idempotency key is no longer known: look whether the job is there, "
    "then post it again or forget it"
)
BUSY = 10.0  # seconds to wait for another process that writes to the file

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
    """A job that was set aside: the API refused it, or nobody can know any more whether it was accepted."""

    number: int
    body: dict[str, Any]
    error: str


@dataclass(frozen=True)
class Flushed:
    """What a flush did: jobs that were accepted, set aside, and are left."""

    sent: int
    refused: int
    left: int


class Spool:
    """The file.

    Args:
        path: of the file; its folder must be there.
        limit: jobs it may hold.
    """

    def __init__(self, path: str | Path, *, limit: int) -> None:
        self._path = str(path)
        self._limit = limit
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # what was spooled survives a power cut
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
        """Keep a job; it is on disk when this returns.

        Args:
            tried: the API may have got it already: it was sent, and no answer came.

        Raises:
            SpoolFullError: the spool holds as many as it may.
        """
        now = time.time()
        with self._transaction() as database:
            (count,) = database.execute("SELECT count(*) FROM jobs").fetchone()
            if count >= self._limit:
                msg = f"The spool {self._path} holds {count} jobs, as many as it may (spool_limit); nothing was kept"
                raise SpoolFullError(msg)
            database.execute(
                "INSERT INTO jobs (idempotency_key, body, spooled_at, tried_at) VALUES (?, ?, ?, ?)",
                (idempotency_key, json.dumps(body), now, now if tried else None),
            )

    def take(self, most: int, *, hold: float) -> list[Entry]:
        """Return the oldest jobs, up to `most`, and keep other processes from them for `hold` seconds.

        It returns none while another process holds some: jobs leave in their order. What was tried too long ago is set
        aside on the way.
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
        """Let go of jobs that could not be sent; with `never_sent` they count as not tried by this attempt."""
        with self._transaction() as database:
            for entry in entries:
                database.execute("UPDATE jobs SET held_until = 0 WHERE number = ?", (entry.number,))
                if never_sent:
                    database.execute("UPDATE jobs SET tried_at = ? WHERE number = ?", (entry.tried_at, entry.number))

    def settle(self, sent: Sequence[Entry], refused: Sequence[tuple[Entry, str]]) -> None:
        """Forget jobs that were accepted, and set those aside that were refused."""
        with self._transaction() as database:
            database.executemany("DELETE FROM jobs WHERE number = ?", [(entry.number,) for entry in sent])
            database.executemany(
                "UPDATE jobs SET error = ?, held_until = 0 WHERE number = ?",
                [(error, entry.number) for entry, error in refused],
            )

    def count(self) -> int:
        """Return how many jobs wait to be sent."""
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
        """Drop a job that was set aside."""
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE number = ? AND error IS NOT NULL", (number,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
