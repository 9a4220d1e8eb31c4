"""The work of all peers: three kinds of jobs, and the mark that each of them leaves."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DATABASE: Final = os.environ.get("PEER_DATABASE_URL", "")
AMQP: Final = os.environ.get("PEER_AMQP_URL", "")
REDIS: Final = os.environ.get("PEER_REDIS_URL", "")
CONTROL: Final = "PEER_CONTROL_PORT"
MARKS: Final = "PEER_MARKS"
WAIT: Final = 0.005  # seconds that the job waits which waits
INSERT: Final = "INSERT INTO effects (sent) VALUES ({})"
_MARK: Final = struct.Struct("dd")

_files: dict[int, int] = {}
_connections: dict[int, Any] = {}


def mark(sent: float) -> None:
    """Write down that a job has begun, now, and when it was sent: 16 bytes, appended whole; some 2 µs for everybody."""
    pid = os.getpid()  # a child that was forked opens the file anew
    if pid not in _files:
        _files[pid] = os.open(os.environ[MARKS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(_files[pid], _MARK.pack(time.monotonic(), sent))


def connection() -> Any:
    """Return this process' connection to Postgres, which commits each statement: one worker runs one job at a time."""
    import psycopg2

    pid = os.getpid()
    if pid not in _connections:
        _connections[pid] = psycopg2.connect(DATABASE)
        _connections[pid].autocommit = True
    return _connections[pid]


def run(kind: str, sent: float) -> None:
    """Do one job."""
    mark(sent)
    if kind == "effect":
        with connection().cursor() as cursor:
            cursor.execute(INSERT.format("%s"), (sent,))
    elif kind == "wait":
        time.sleep(WAIT)


async def run_async(kind: str, sent: float, insert: Callable[[float], Awaitable[object]]) -> None:
    """Do one job in a peer that runs coroutines; `insert` writes the row as such a peer's user would."""
    mark(sent)
    if kind == "effect":
        await insert(sent)
    elif kind == "wait":
        await asyncio.sleep(WAIT)
