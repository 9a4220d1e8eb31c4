"""Process reports: each process writes its status every few seconds, and operators read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import text

from gristmill.shared.database.rows import rows_as

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Kind = Literal["relay", "worker", "beat", "maintenance"]

REPORT_EVERY: Final = 5.0  # seconds between two reports of a process
SILENT_AFTER: Final = 15.0  # seconds: a process that missed three reports is presumed gone or hanging
_MOST: Final = 1_000  # reports that are read at once

_WRITE = text(
    """
    INSERT INTO gristmill.process_reports AS known (name, kind, queue, acted_at, stopped_at, trouble, trouble_since,
                                          children, jobs_a_minute, tasks)
    VALUES (:name, :kind, :queue, CASE WHEN :acted THEN clock_timestamp() END,
            CASE WHEN :stopped THEN clock_timestamp() END, CAST(:trouble AS text),
            CASE WHEN CAST(:trouble AS text) IS NOT NULL THEN clock_timestamp() END, :children, :jobs_a_minute,
            CAST(:tasks AS text[]))
    ON CONFLICT (name) DO UPDATE
    SET started_at = CASE WHEN :first THEN excluded.started_at ELSE known.started_at END,
        seen_at = excluded.seen_at,
        acted_at = coalesce(excluded.acted_at, known.acted_at),
        stopped_at = excluded.stopped_at,
        trouble = excluded.trouble,
        trouble_since = CASE
            WHEN excluded.trouble IS NULL OR known.trouble_since IS NULL OR :first THEN excluded.trouble_since
            ELSE known.trouble_since END,
        children = excluded.children,
        jobs_a_minute = excluded.jobs_a_minute,
        tasks = CASE WHEN :first THEN excluded.tasks ELSE coalesce(excluded.tasks, known.tasks) END
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """The status that a process reports of itself.

    Attributes:
        name: `<kind or queue>@<host>:<process id>`; a process with the name of an earlier one replaces its report.
        first: the process has just started; the report of an earlier one with its name is void.
        acted: it has worked since the last report: published hints, started jobs, fired schedules.
        stopped: this is its last report.
        trouble: the error that keeps it from the broker.
        children: the number of jobs that it can execute at a time.
        jobs_a_minute: attempts that it started in the last 60 seconds.
        tasks: the names of the tasks that it knows; None where the last report said it already.
    """

    name: str
    kind: Kind
    queue: str | None = None
    first: bool = False
    acted: bool = False
    stopped: bool = False
    trouble: str | None = None
    children: int = 1
    jobs_a_minute: int = 0
    tasks: list[str] | None = None


def write_report(session: Session, report: StatusReport) -> None:
    """Write the report of a process; its times come from the database's clock."""
    session.execute(_WRITE, {name: getattr(report, name) for name in StatusReport.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """The last report of a process, and whether it is still alive."""

    name: str
    kind: Kind
    queue: str | None
    alive: bool
    started_at: datetime
    seen_at: datetime
    acted_at: datetime | None
    stopped_at: datetime | None
    trouble: str | None
    trouble_since: datetime | None
    children: int
    jobs_a_minute: int


_LIST = text(
    """
    SELECT name, kind, queue, started_at, seen_at, acted_at, stopped_at, trouble, trouble_since, children,
           jobs_a_minute,
           stopped_at IS NULL AND seen_at > statement_timestamp() - :silent_after * interval '1 second' AS alive
    FROM gristmill.process_reports
    WHERE kind = coalesce(CAST(:kind AS text), kind) AND (CAST(:queue AS text) IS NULL OR queue = :queue)
    ORDER BY seen_at DESC LIMIT :most
    """
)


def list_processes(session: Session, *, kind: Kind | None = None, queue: str | None = None) -> list[ProcessStatus]:
    """Return the last reports of the processes of a kind or queue, the latest first, at most a thousand."""
    values = {"kind": kind, "queue": queue, "silent_after": SILENT_AFTER, "most": _MOST}
    return rows_as(ProcessStatus, session.execute(_LIST, values))


# The last of each kind and queue stays: it shows since when there is none.
_DELETE_SILENT = text(
    """
    DELETE FROM gristmill.process_reports AS old
    WHERE seen_at < statement_timestamp() - interval '1 hour' AND EXISTS (
        SELECT 1 FROM gristmill.process_reports AS later
        WHERE later.kind = old.kind AND later.queue IS NOT DISTINCT FROM old.queue
          AND (later.seen_at, later.name) > (old.seen_at, old.name))
    """
)


def delete_silent(session: Session) -> None:
    """Delete the reports of processes that have been silent for an hour, except the last of each kind and queue."""
    session.execute(_DELETE_SILENT)
