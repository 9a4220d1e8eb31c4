"""Begin an attempt, and end it with success: `claim` and `succeed`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson

from gristmill.shared.database.direct import array_of, array_of_ids, in_order_of_ids
from gristmill.shared.jobs.final_move import execute_final_move
from gristmill.shared.jobs.move_statement import FENCED, direct_move
from gristmill.shared.states import Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


class Claimed(NamedTuple):
    """A job that this worker may execute now. Its attempt number is the fence of all later statements."""

    id: UUID
    task: str
    queue: str
    args: dict[str, Any]
    attempt: int
    max_attempts: int
    traceparent: str | None
    run_at: datetime
    started_at: datetime


_CLAIMED: Final = Claimed._fields

_BEGIN: Final = f"""
    UPDATE gristmill.jobs
    SET state = {{target}}, attempt = attempt + 1, worker = :worker, started_at = clock_timestamp(),
        lease_until = clock_timestamp() + :lease * interval '1 second'
    WHERE {{which}} AND state || '' IN ({{sources}}) AND run_at <= statement_timestamp()
      AND attempt < max_attempts AND (expires_at IS NULL OR expires_at > statement_timestamp())
      AND queue <> ALL(ARRAY(SELECT queue FROM gristmill.queue_controls WHERE paused_at IS NOT NULL))
    RETURNING {", ".join(_CLAIMED)}, {{notify}}
"""
# The commit of a claim may be asynchronous: a crash of the database server loses the attempt together with its effects.
# Tasks with outside effects wait for the disk: otherwise two attempts could run under one number.
_COMMIT_LATER: Final = "set_config('synchronous_commit', 'off', true)"
_CLAIM = direct_move(
    Move.CLAIM,
    f"""
    WITH claimed AS ({_BEGIN.replace("{which}", "id = ANY(CAST(:ids AS uuid[]))")}), commit AS (
        SELECT {_COMMIT_LATER} WHERE NOT EXISTS (SELECT FROM claimed WHERE task = ANY(:durable))
    )
    SELECT {", ".join(_CLAIMED)}, (SELECT count(*) FROM commit) AS commits_later FROM claimed
    """,
)
# For a single job: Postgres plans statements about one row twice as fast.
_CLAIM_ONE = direct_move(
    Move.CLAIM,
    f"""
    {_BEGIN.replace("{which}", "id = :id")},
        CASE WHEN task <> ALL(:durable) THEN {_COMMIT_LATER} END AS commits_later
    """,
)


def claim(
    session: Session, ids: Sequence[UUID], *, worker: str, lease: float, durable: Sequence[str] = ()
) -> list[Claimed]:
    """Begin an attempt of each of `ids` that is due. The others are ended, not due, running, paused or expired.

    Args:
        worker: the name of the worker, for the record.
        lease: seconds until the reconciler may check whether this worker is still there.
        durable: names of tasks whose attempts must be on disk before they begin, since their effects are outside.
    """
    values = {"worker": worker, "lease": lease, "durable": list(durable)}
    if len(ids) == 1:
        rows = _CLAIM_ONE.rows(session, values | {"id": ids[0]})
    else:
        rows = _CLAIM.rows(session, values | {"ids": array_of_ids(ids)})
    return [Claimed._make(row[: len(_CLAIMED)]) for row in rows]


# Each row finds its position in the arrays, as in `gristmill.shared.jobs.leases` and for the same reason.
_SUCCEED = direct_move(
    Move.SUCCEED,
    """
    UPDATE gristmill.jobs
    SET state = {target}, result = results[width_bucket(id, ids)], finished_at = clock_timestamp(),
        lease_until = NULL
    FROM (SELECT CAST(:ids AS uuid[]) AS ids, CAST(:attempts AS int[]) AS attempts,
                 CAST(:results AS jsonb[]) AS results) AS done
    WHERE id = ANY(ids) AND attempt = attempts[width_bucket(id, ids)] AND state || '' IN ({sources})
    RETURNING width_bucket(id, ids), {callback}, {notify}
    """,
)


_SUCCEED_ONE = direct_move(
    Move.SUCCEED,
    f"""
    UPDATE gristmill.jobs SET state = {{target}}, result = CAST(:result AS jsonb), finished_at = clock_timestamp(),
        lease_until = NULL
    WHERE {FENCED}
    RETURNING id, {{callback}}, {{notify}}
    """,
)


def succeed(session: Session, done: Sequence[tuple[UUID, int, Any]]) -> set[UUID]:
    """End jobs with success. `done` holds (id, attempt, result). Return the ids that moved; the caller compares."""
    done = in_order_of_ids(done)
    encoded = [None if result is None else orjson.dumps(result).decode() for _, _, result in done]
    if len(done) == 1:
        ((job_id, attempt, _),) = done
        return execute_final_move(session, _SUCCEED_ONE, {"id": job_id, "attempt": attempt, "result": encoded[0]})
    values = {
        "ids": array_of_ids(job_id for job_id, _, _ in done),
        "attempts": array_of(attempt for _, attempt, _ in done),
        "results": encoded if any(encoded) else None,  # then no row looks up a position in it
    }
    return {done[position - 1][0] for position in execute_final_move(session, _SUCCEED, values)}
