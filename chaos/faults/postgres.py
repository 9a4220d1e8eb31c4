"""Faults of Postgres that others do not know: backends that are ended, and a crash without a checkpoint."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import Final

import psutil
import psycopg2

from chaos.faults.blow import Blow
from gristmill import process
from gristmill.services.service import Service

TERMINATE_EVERY: Final = 0.05  # seconds: often, so that some backends are in the middle of a COMMIT


def terminate_backends(blow: Blow) -> str:
    """Have Postgres end the connections of our processes, one after the other and quickly."""
    ended: list[str] = []
    connection = blow.arena.servers.connect()
    try:
        with connection.cursor() as cursor:
            ends_at = time.monotonic() + blow.seconds
            while time.monotonic() < ends_at and not blow.arena.healing.is_set():
                cursor.execute(
                    "SELECT pid, query = 'COMMIT' AND state = 'active' FROM pg_stat_activity "
                    "WHERE application_name LIKE 'gristmill%%' ORDER BY pid"
                )
                backends: list[tuple[int, bool]] = cursor.fetchall()
                if backends:
                    committing = [backend for backend in backends if backend[1]]
                    pid, in_commit = blow.chance.choice(committing or backends)
                    cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    ended.append("commit" if in_commit else "other")
                blow.arena.wait(TERMINATE_EVERY)
    finally:
        with suppress(psycopg2.Error):
            connection.close()
    return f"{len(ended)} backends, {ended.count('commit')} in COMMIT"


def kill_backend(blow: Blow) -> str:
    """Kill one backend: Postgres ends all others, and recovers as after a crash."""
    rows = blow.arena.servers.query("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'gristmill%%'")
    pid = blow.chance.choice(rows)[0]
    psutil.Process(pid).kill()
    return f"backend {pid}"


def crash_postgres(server: Service) -> None:
    """Shut it down immediately: no checkpoint, what was not flushed is gone."""
    if server.process is not None:
        process.stop(server.process, signal.SIGQUIT)
