"""Queue depths: count the waiting, running and dead jobs of each queue, and their rates, at a bounded cost.

Live jobs and open dead letters are counted from their partial indexes, up to a limit. Beyond the limit the answer is
the count that maintenance made some seconds ago. The oldest job is the first of an index, arrivals are counted among
the newest jobs by key, and workers report the attempts they started. So the cost is the same with ten thousand jobs
and with ten million, of history or of backlog.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from gristmill.shared.database.bounded_count import MOST_COUNTED
from gristmill.shared.database.clock import read_clock
from gristmill.shared.operating.queries_process_reports import ProcessStatus, list_processes
from gristmill.shared.operating.queries_undeclared_queues import list_undeclared_queues
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import LIVE, WAITING, State, sql_list

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SAMPLE: Final = 5_000  # newest jobs that the rate of arrivals is computed from
_COUNTS: Final = ("ready", "scheduled", "retrying", "running", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """The depth of one queue.

    Attributes:
        ready: due jobs that wait.
        scheduled: jobs that are not due yet and have not failed.
        retrying: failed jobs whose next attempt is not due yet.
        running: jobs that a worker executes.
        dead: open dead letters.
        more: the names of the counts that are too large to be counted at once. They hold the value at `counted_at`, or
            a lower bound when that is None.
        counted_at: when maintenance counted them.
        oldest_seconds: how long the first job in the queue has been due.
        accepted_a_minute: jobs accepted in the last minute, or in the time that the sample covers.
        started_a_minute: attempts that the workers started in the last minute, as they reported.
        workers: processes that can each run a job, as their workers reported.
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
    """Return a subquery for the rows of a queue, up to a limit, in the order of an index.

    Without the order the planner may expect to find enough of them early in the table, and scan all of history.
    """
    return f"(SELECT 1 FROM gristmill.{table} WHERE {_HERE} AND {condition} ORDER BY {order} LIMIT :most)"


_AHEAD: Final = "run_at > statement_timestamp()"
_DUE: Final = [f"state = '{state}' AND run_at <= statement_timestamp()" for state in sorted(WAITING)]
_DEPTHS = text(
    f"""
    SELECT names.queue, oldest.due_at AS oldest_due_at,
           CAST(extract(epoch FROM statement_timestamp() - oldest.due_at) AS double precision) AS oldest_seconds,
           (SELECT count(*) FROM ({" UNION ALL ".join(_limited("jobs", each) for each in _DUE)}) AS counted) AS ready,
           (SELECT count(*) FROM {_limited("jobs", f"state = '{State.SCHEDULED}' AND {_AHEAD}")} AS counted)
               AS scheduled,
           (SELECT count(*) FROM {_limited("jobs", f"state = '{State.RETRYING}' AND {_AHEAD}")} AS counted)
               AS retrying,
           (SELECT count(*) FROM {_limited("jobs", f"state = '{State.RUNNING}'")} AS counted) AS running,
           (SELECT count(*) FROM {_limited("dead_letters", _OPEN, order="task, fingerprint")} AS counted) AS dead,
           control.paused_at, control.paused_by, control.pause_reason,
           counted.counted_at, {", ".join(f"coalesce(counted.{name}, 0) AS counted_{name}" for name in _COUNTS)}
    FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS names(queue, position)
    LEFT JOIN gristmill.queue_controls AS control ON control.queue = names.queue
    LEFT JOIN gristmill.queue_counts AS counted
        ON counted.queue = names.queue AND counted.counted_at > statement_timestamp() - interval '10 minutes'
    CROSS JOIN LATERAL (
        SELECT least({", ".join(f"(SELECT min(run_at) FROM gristmill.jobs WHERE {_HERE} AND {each})" for each in _DUE)})
               AS due_at
    ) AS oldest
    ORDER BY names.position
    """
)
# Ids sort by time: the newest jobs are at the end of the primary key.
_INFLOW = text(
    """
    WITH newest AS (SELECT queue, created_at FROM gristmill.jobs ORDER BY id DESC LIMIT :sample),
    since AS (
        SELECT CASE WHEN count(*) < :sample THEN statement_timestamp() - interval '1 minute'
                    ELSE greatest(min(created_at), statement_timestamp() - interval '1 minute') END AS at
        FROM newest
    )
    SELECT queue, count(*) * 60 / greatest(0.001, extract(epoch FROM statement_timestamp() - since.at)) AS a_minute
    FROM newest, since WHERE created_at >= since.at GROUP BY queue, since.at
    """
)


def list_depths(session: Session, queues: Collection[str] | None = None) -> list[Depth]:
    """Return the depths of `queues`, in the given order; by default of all, undeclared ones with jobs at the end."""
    if queues is None:
        queues = [*QUEUES, *list_undeclared_queues(session)]
    inflow = {row.queue: float(row.a_minute) for row in session.execute(_INFLOW, {"sample": SAMPLE})}
    workers: dict[str, list[ProcessStatus]] = {}
    for worker in list_processes(session, kind="worker"):
        workers.setdefault(worker.queue or "", []).append(worker)
    rows = session.execute(_DEPTHS, {"names": list(queues), "most": MOST_COUNTED + 1}).mappings()
    return [_depth(dict(row), inflow.get(row["queue"], 0.0), workers.get(row["queue"], [])) for row in rows]


def _depth(row: dict[str, Any], inflow: float, workers: Sequence[ProcessStatus]) -> Depth:
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
    f"""
    INSERT INTO gristmill.queue_counts (queue, ready, scheduled, retrying, running, dead, counted_at)
    SELECT names.queue, coalesce(live.ready, 0), coalesce(live.scheduled, 0), coalesce(live.retrying, 0),
           coalesce(live.running, 0), coalesce(letters.dead, 0), statement_timestamp()
    FROM unnest(CAST(:names AS text[])) AS names(queue)
    LEFT JOIN (
        SELECT queue,
               count(*) FILTER (WHERE state <> '{State.RUNNING}' AND run_at <= statement_timestamp()) AS ready,
               count(*) FILTER (WHERE state = '{State.SCHEDULED}' AND run_at > statement_timestamp()) AS scheduled,
               count(*) FILTER (WHERE state = '{State.RETRYING}' AND run_at > statement_timestamp()) AS retrying,
               count(*) FILTER (WHERE state = '{State.RUNNING}') AS running
        FROM gristmill.jobs WHERE state IN ({sql_list(LIVE)}) AND queue = ANY(:names) GROUP BY queue
    ) AS live ON live.queue = names.queue
    LEFT JOIN (
        SELECT queue, count(*) AS dead FROM gristmill.dead_letters
        WHERE resolution IS NULL AND queue = ANY(:names) GROUP BY queue
    ) AS letters ON letters.queue = names.queue
    ON CONFLICT (queue) DO UPDATE
    SET ready = excluded.ready, scheduled = excluded.scheduled, retrying = excluded.retrying,
        running = excluded.running, dead = excluded.dead, counted_at = excluded.counted_at
    """
)


def count_long_queues(session: Session, *, fresh: float) -> list[str]:
    """Count the queues that are too long to be counted on request, and return their names.

    The cost grows with their live rows. Queues that are short, or counted less than `fresh` seconds ago, are skipped.
    """
    now = read_clock(session)
    long = [
        depth.queue
        for depth in list_depths(session)
        if depth.more and (depth.counted_at is None or (now - depth.counted_at).total_seconds() >= fresh)
    ]
    if long:
        session.execute(_COUNT, {"names": long})
    return long
