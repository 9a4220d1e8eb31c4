"""The SQLite file of a spool: connections, transactions, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gristmill.client.errors import SpoolError, SpoolFullError
from gristmill.client.spool.models import FORMAT, SCHEMA

BUSY: Final = 10.0  # seconds to wait while another process writes to the file


class SpoolFile:
    """A connection to the file of a spool. Threads may share it, and a fork gets its own.

    Raises:
        SpoolError: the file is damaged, or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        self._prepare()
        _files.add(self)

    def _prepare(self) -> None:
        with self.transaction() as database:
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found > FORMAT:
                msg = f"The spool {self.path} has format {found}, and this version knows {FORMAT}: update this program"
                raise SpoolError(msg)
            if found == 0:
                for statement in _statements(SCHEMA):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {FORMAT}")

    def _connect(self) -> sqlite3.Connection:
        if self._is_closed:
            msg = f"The spool {self.path} is closed with its client"
            raise SpoolError(msg)
        made = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("PRAGMA synchronous = FULL")  # spooled jobs survive a power cut
        made.execute("PRAGMA secure_delete = ON")  # what was accepted does not stay on the disk
        return made

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction that is on disk when the block has ended.

        Raises:
            SpoolError: the file cannot be used; nothing was changed.
            SpoolFullError: the disk is full; nothing was changed.
        """
        with self.connection() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection, to read."""
        with self.lock, self._explained():
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL if hasattr(error, "sqlite_errorcode") else False
            kind = SpoolFullError if full else SpoolError
            msg = f"The spool {self.path} cannot be used ({error}); nothing was stored"
            raise kind(msg) from error

    def disconnect(self) -> None:
        """Close the connection, until it is used again; the caller holds the lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the file for good."""
        with self.lock:
            self._is_closed = True
            self.disconnect()


# SQLite must not be carried over a fork: the locks that it believes to hold would be those of the parent. So each file
# is let go before a fork, between two of its transactions, and is opened again by whoever uses it next.
_files: Final[weakref.WeakSet[SpoolFile]] = weakref.WeakSet()
_held: Final[list[SpoolFile]] = []


def _before_fork() -> None:
    for file in list(_files):
        file.lock.acquire()
        file.disconnect()
        _held.append(file)


def _after_fork() -> None:
    while _held:
        _held.pop().lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one: `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
