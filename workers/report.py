"""What this process says of itself, every few seconds and when it changes: it lives, it works, what is in its way."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gristmill.shared.base.logging import hide_secrets
from gristmill.shared.operating.queries_process_reports import REPORT_EVERY, Kind, StatusReport, write_report

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)
LONGEST_TROUBLE: Final = 300  # characters of an error that are told


class Pulse:
    """Writes the reports of one process. That one cannot be written stops nobody: the next one tells all again."""

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
        self._next = 0.0

    def beat(self, *, acted: bool = False, trouble: BaseException | None = None, jobs_a_minute: int = 0) -> None:
        """Tell how it is, when the last report is a few seconds old or something is otherwise than it was.

        Args:
            acted: whether it has done some of its work since the last call.
            trouble: what keeps it from the broker now.
            jobs_a_minute: attempts that were begun in the last 60 seconds.
        """
        told = f"{type(trouble).__name__}: {hide_secrets(str(trouble))}"[:LONGEST_TROUBLE] if trouble else None
        changed = (told is None) is not (self._trouble is None)
        self._trouble, self._acted = told, self._acted or acted
        if changed or time.monotonic() >= self._next:
            self._write(jobs_a_minute=jobs_a_minute)

    def stop(self) -> None:
        """Tell that it ends, as it was asked to."""
        self._write(stopped=True)

    def _write(self, *, stopped: bool = False, jobs_a_minute: int = 0) -> None:
        self._next = time.monotonic() + REPORT_EVERY
        report = StatusReport(
            name=self._name,
            kind=self._kind,
            queue=self._queue,
            first=not self._is_known,
            acted=self._acted,
            stopped=stopped,
            trouble=self._trouble,
            children=self._children,
            jobs_a_minute=jobs_a_minute,
        )
        try:
            with self._database.transaction(asynchronous_commit=True) as session:
                write_report(session, report)
        except SQLAlchemyError as error:
            log.debug("report.not_written", error=type(error).__name__)
            return
        self._is_known, self._acted = True, False
