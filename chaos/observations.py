"""Look at the platform while it is attacked: progress for the terminal, and deliveries that were no first ones."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Final

import psycopg2

from chaos.servers import Servers
from gristmill.process import ServiceFailedError

EVERY: Final = 1.0  # seconds


class Redeliveries:
    """Adds up how many hints RabbitMQ delivers again; its own count begins anew with each of its starts."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._last = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redeliveries", daemon=True)
        self.count: int | None = 0 if servers.rabbitmq else None

    def start(self) -> None:
        """Begin to count, if the broker can be asked."""
        if self.count is not None:
            self._thread.start()

    def stop(self) -> None:
        """Look once more, and count no longer."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(EVERY):
            with suppress(ServiceFailedError, OSError, ValueError):
                overview: Any = self._servers.api("GET", "/api/overview")
                now = int(overview.get("message_stats", {}).get("redeliver", 0))
                self.count = (self.count or 0) + (now - self._last if now >= self._last else now)
                self._last = now


def live_jobs(servers: Servers) -> dict[str, int] | None:
    """Return how many jobs are in each live state; None when Postgres does not answer."""
    try:
        rows = servers.query(
            "SELECT state, count(*) FROM gristmill.jobs "
            "WHERE state IN ('scheduled', 'queued', 'running', 'retrying') GROUP BY 1"
        )
    except psycopg2.Error:
        return None
    return {str(state): int(count) for state, count in rows}
