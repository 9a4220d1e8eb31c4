"""Warn of a job whose task no running worker of its queue knows: the workers are of an older version."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.operating.queries_known_tasks import list_known_tasks

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

REMEMBERED: Final = 10.0  # seconds between two looks at the reports of the workers
log = structlog.get_logger(__name__)


class KnownTasks:
    """The tasks that the workers of the last minute know, read again after some seconds.

    Args:
        database: where the workers report.
        remembered: seconds for which what was read is good.
    """

    def __init__(self, database: Database, *, remembered: float = REMEMBERED) -> None:
        self._database = database
        self._remembered = remembered
        self._known: dict[str, frozenset[str]] = {}
        self._read_again_at = 0.0
        self._reading = threading.Lock()

    def warnings(self, task: str, queue: str) -> list[str]:
        """Return a warning if workers consume `queue` and none of them knows `task`; the job then waits for another."""
        self._refresh()
        known = self._known.get(queue)
        if known is None or task in known:
            return []
        seen = f"No worker of {queue} that reported in the last minute knows {task}"
        return [f"{seen}: the job waits until workers with the code of this task run"]

    def _refresh(self) -> None:
        """Read the reports when it is time to; other threads go on with what is known meanwhile."""
        if time.monotonic() < self._read_again_at or not self._reading.acquire(blocking=False):
            return
        try:
            self._read_again_at = time.monotonic() + self._remembered
            with self._database.transaction() as session:
                self._known = list_known_tasks(session)
        except DATABASE_ERRORS as error:
            log.debug("known_tasks.not_read", error=type(error).__name__)
        finally:
            self._reading.release()
