"""The heartbeat of an attempt that works outside of the database: it renews the lease while the handler runs."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.queries.leases import renew

if TYPE_CHECKING:
    from shared.db import Database
    from shared.queries.moves import Claimed

log = structlog.get_logger(__name__)


class Heartbeat:
    """Renews the lease of one attempt three times in its length, from a thread, until the block ends."""

    def __init__(self, database: Database, job: Claimed, lease: float) -> None:
        self._database = database
        self._job = job
        self._lease = lease
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{job.id}", daemon=True)
        self.is_cancelled = False

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._done.set()
        self._thread.join(self._lease)

    def _beat(self) -> None:
        while not self._done.wait(self._lease / 3):
            try:
                with self._database.transaction() as session:
                    asked = renew(session, self._job.id, self._job.attempt, lease=self._lease)
            except SQLAlchemyError as error:
                log.warning("lease.not_renewed", job_id=str(self._job.id), error=type(error).__name__)
                continue
            if asked is None:
                self.is_cancelled = True  # another attempt has taken over: stop as soon as the handler looks
                log.warning("lease.lost", job_id=str(self._job.id), attempt=self._job.attempt)
                return
            self.is_cancelled = asked
