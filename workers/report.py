"""Report every few seconds that a process lives and works, and what keeps it from the broker; at first, its tasks."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.base.redaction import hide_secrets
from gristmill.shared.operating.queries_process_reports import REPORT_EVERY, Kind, StatusReport, write_report
from gristmill.shared.plugins.declare_tasks import declare_tasks, task_names

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)
LONGEST_TROUBLE: Final = 300  # characters of an error that are reported


class ProcessReporter:
    """Writes the reports of one process. One that cannot be written is left out: the next says it again."""

    def __init__(
        self, database: Database, kind: Kind, *, name: str | None = None, queue: str | None = None, children: int = 1
    ) -> None:
        self._database = database
        self._kind: Kind = kind
        self._name = name or f"{kind}@{socket.gethostname()}:{os.getpid()}"
        self._queue = queue
        self._children = children
        self._trouble: str | None = None
        self._acted = False
        self._is_known = False
        self._has_declared = False
        self._next = 0.0

    def report(self, *, acted: bool = False, trouble: BaseException | None = None, jobs_a_minute: int = 0) -> None:
        """Write a report when the last one is a few seconds old, or the trouble has begun or ended.

        Args:
            acted: whether it has done some of its work since the last call.
            trouble: what keeps it from the broker now.
            jobs_a_minute: attempts that were begun in the last 60 seconds.
        """
        text = f"{type(trouble).__name__}: {hide_secrets(str(trouble))}"[:LONGEST_TROUBLE] if trouble else None
        changed = (text is None) is not (self._trouble is None)
        self._trouble, self._acted = text, self._acted or acted
        if changed or time.monotonic() >= self._next:
            self._write(jobs_a_minute=jobs_a_minute)

    def stop(self) -> None:
        """Report that the process ends, as it was asked to."""
        self._write(stopped=True)

    def _write(self, *, stopped: bool = False, jobs_a_minute: int = 0) -> None:
        self._next = time.monotonic() + REPORT_EVERY
        try:
            with self._database.transaction(asynchronous_commit=True) as session:
                write_report(session, self._made(stopped, jobs_a_minute))
        except DATABASE_ERRORS as error:
            log.debug("report.not_written", error=type(error).__name__)
            return
        self._is_known, self._acted = True, False
        if not self._has_declared:
            self._declare()

    def _declare(self) -> None:
        try:
            declare_tasks(self._database)
        except DATABASE_ERRORS as error:
            log.debug("tasks.not_declared", error=type(error).__name__)
        else:
            self._has_declared = True

    def _made(self, stopped: bool, jobs_a_minute: int) -> StatusReport:
        return StatusReport(
            name=self._name,
            kind=self._kind,
            queue=self._queue,
            first=not self._is_known,
            acted=self._acted,
            stopped=stopped,
            trouble=self._trouble,
            children=self._children,
            jobs_a_minute=jobs_a_minute,
            tasks=None if self._is_known else task_names(),
        )
