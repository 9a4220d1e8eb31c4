"""What waits, runs and is dead in each queue, and how fast it comes and goes; the cost is bounded.

Live rows and open letters are counted from their partial indexes and up to a limit; beyond it, maintenance has counted
them some seconds ago. The oldest is the first of an index, what comes in is counted among the newest jobs by key, and
what goes out is told by the workers. So a look costs the same with ten thousand jobs and with ten million, of history
or of backlog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from gristmill.shared.operating.queries_process_reports import Seen, list_processes
from gristmill.shared.operating.queries_why_waiting import MOST_COUNTED
from gristmill.shared.queues import QUEUES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SAMPLE: Final = 5_000  # newest jobs that are looked at for the rate at which jobs come in
_COUNTS: Final = ("ready", "scheduled", "retrying", "running", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """One queue.

    Attributes:
        ready: jobs that are due and wait.
        scheduled: jobs whose time has not come, and that have not failed.
        retrying: jobs that have failed and wait for their next attempt's time.
        dead: open dead letters.
        more: which of these numbers are too large to be counted at once: as they were at `counted_at`, or more than
            they say when that is None.
        counted_at: when they were counted one by one.
        oldest_seconds: how long the first in line has been due.
        accepted_a_minute: jobs that came in over the last minute, or over the time that the sample reaches back.
        started_a_minute: attempts that workers began in the last minute, as they told seconds ago.
        workers: processes that can each run a job, as their workers told.
    """

    queue: str
    ready: int
    scheduled: int
    retrying: int
    running: int
    dead: int
    more: tuple[str, ...]
    counted_at: datetime | None
    oldest_due_at: datetime | None
    oldest_seconds: float | None
    accepted_a_minute: float
    started_a_minute: int
    workers: int
    last_started_at: datetime | None
    worker_seen_at: datetime | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None


_OPEN: Final = "resolution IS NULL"
_HERE: Final = "queue = names.queue"


def _limited(table: str, condition: str, order: str = "run_at") -> str:
    """Return the rows of a queue, up to a limit, in the order of an index.

    Without the order the planner may hope to meet enough of them soon in the table itself, and read all of history.
    """
    return f"(SELECT 1 FROM {table} WHERE {_HERE} AND {condition} ORDER BY {order} LIMIT :most)"


_AHEAD: Final = "run_at > statement_timestamp()"
_DUE: Final = [
    f"state = '{state}' AND run_at <= statement_timestamp()" for state in ("queued", "scheduled", "retrying")
]
_DEPTHS = text(
    f"""
    SELECT names.queue, oldest.due_at AS oldest_due_at,
           CAST(extract(epoch FROM statement_timestamp() - oldest.due_at) AS double precision) AS oldest_seconds,
           (SELECT count(*) FROM ({" UNION ALL ".join(_limited("jobs", each) for each in _DUE)}) AS counted) AS ready,
           (SELECT count(*) FROM {_limited("jobs", f"state = 'scheduled' AND {_AHEAD}")} AS counted)
               AS scheduled,
           (SELECT count(*) FROM {_limited("jobs", f"state = 'retrying' AND {_AHEAD}")} AS counted)
               AS retrying,
           (SELECT count(*) FROM {_limited("jobs", "state = 'running'")} AS counted) AS running,
           (SELECT count(*) FROM {_limited("dead_letters", _OPEN, order="task, fingerprint")} AS counted) AS dead,
           control.paused_at, control.paused_by, control.pause_reason,
           counted.counted_at, {", ".join(f"coalesce(counted.{name}, 0) AS counted_{name}" for name in _COUNTS)}
    FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS names(queue, position)
    LEFT JOIN queue_controls AS control ON control.queue = names.queue
    LEFT JOIN queue_counts AS counted
        ON counted.queue = names.queue AND counted.counted_at > statement_timestamp() - interval '10 minutes'
    CROSS JOIN LATERAL (
        SELECT least({", ".join(f"(SELECT min(run_at) FROM jobs WHERE {_HERE} AND {each})" for each in _DUE)}) AS due_at
    ) AS oldest
    ORDER BY names.position
    """
)
# Keys are made of time: the newest jobs are at the end of the primary key.
_INFLOW = text(
    """
    WITH newest AS (SELECT queue, created_at FROM jobs ORDER BY id DESC LIMIT :sample),
    since AS (
        SELECT CASE WHEN count(*) < :sample THEN statement_timestamp() - interval '1 minute'
                    ELSE greatest(min(created_at), statement_timestamp() - interval '1 minute') END AS at
        FROM newest
    )
    SELECT queue, count(*) * 60 / greatest(0.001, extract(epoch FROM statement_timestamp() - since.at)) AS a_minute
    FROM newest, since WHERE created_at >= since.at GROUP BY queue, since.at
    """
)


def list_depths(session: Session, queues: Sequence[str] = tuple(QUEUES)) -> list[Depth]:
    """Return the depths of `queues`, in their order."""
    inflow = {row.queue: float(row.a_minute) for row in session.execute(_INFLOW, {"sample": SAMPLE})}
    workers: dict[str, list[Seen]] = {}
    for worker in list_processes(session, kind="worker"):
        workers.setdefault(worker.queue or "", []).append(worker)
    rows = session.execute(_DEPTHS, {"names": list(queues), "most": MOST_COUNTED + 1}).mappings()
    return [_depth(dict(row), inflow.get(row["queue"], 0.0), workers.get(row["queue"], [])) for row in rows]


def _depth(row: dict[str, Any], inflow: float, workers: Sequence[Seen]) -> Depth:
    alive = [worker for worker in workers if worker.alive]
    counted = {name: row.pop(f"counted_{name}") for name in _COUNTS}
    more = tuple(name for name in _COUNTS if row[name] > MOST_COUNTED)
    at_least = {name: max(MOST_COUNTED, counted[name]) for name in more}
    oldest: float | None = row["oldest_seconds"]
    return Depth(
        **row
        | at_least
        | {
            "more": more,
            "counted_at": row["counted_at"] if more else None,
            "oldest_seconds": None if oldest is None else round(oldest, 1),
            "accepted_a_minute": round(inflow, 1),
            "started_a_minute": sum(worker.jobs_a_minute for worker in alive),
            "workers": sum(worker.children for worker in alive),
            "last_started_at": max((worker.acted_at for worker in workers if worker.acted_at), default=None),
            "worker_seen_at": max((worker.seen_at for worker in workers), default=None),
        }
    )


_COUNT = text(
    """
    INSERT INTO queue_counts (queue, ready, scheduled, retrying, running, dead, counted_at)
    SELECT names.queue, coalesce(live.ready, 0), coalesce(live.scheduled, 0), coalesce(live.retrying, 0),
           coalesce(live.running, 0), coalesce(letters.dead, 0), statement_timestamp()
    FROM unnest(CAST(:names AS text[])) AS names(queue)
    LEFT JOIN (
        SELECT queue,
               count(*) FILTER (WHERE state <> 'running' AND run_at <= statement_timestamp()) AS ready,
               count(*) FILTER (WHERE state = 'scheduled' AND run_at > statement_timestamp()) AS scheduled,
               count(*) FILTER (WHERE state = 'retrying' AND run_at > statement_timestamp()) AS retrying,
               count(*) FILTER (WHERE state = 'running') AS running
        FROM jobs WHERE state IN ('scheduled', 'queued', 'running', 'retrying') AND queue = ANY(:names) GROUP BY queue
    ) AS live ON live.queue = names.queue
    LEFT JOIN (
        SELECT queue, count(*) AS dead FROM dead_letters WHERE resolution IS NULL AND queue = ANY(:names) GROUP BY queue
    ) AS letters ON letters.queue = names.queue
    ON CONFLICT (queue) DO UPDATE
    SET ready = excluded.ready, scheduled = excluded.scheduled, retrying = excluded.retrying,
        running = excluded.running, dead = excluded.dead, counted_at = excluded.counted_at
    """
)


def count_long_queues(session: Session, *, fresh: float) -> list[str]:
    """Count the queues that are too long to be counted by whoever looks, and return their names.

    Costs as much as their live rows are many; nothing when none is long, or was counted less than `fresh` seconds ago.
    """
    now: datetime = session.execute(text("SELECT statement_timestamp()")).scalar_one()
    long = [
        depth.queue
        for depth in list_depths(session)
        if depth.more and (depth.counted_at is None or (now - depth.counted_at).total_seconds() >= fresh)
    ]
    if long:
        session.execute(_COUNT, {"names": long})
    return long
