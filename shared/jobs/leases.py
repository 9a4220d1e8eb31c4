"""Who works on a running job: the lock of a transactional attempt, the lease of every attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from sqlalchemy import text

from gristmill.shared.database.direct import Direct, array_of, array_of_ids, in_order_of_ids
from gristmill.shared.database.rows import rows_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def lock_key(job_id: UUID) -> int:
    """Return the advisory lock key of a job: the low 64 bits of its UUIDv7, 62 of them random (RFC 9562, 5.7)."""
    low = job_id.int & 0xFFFF_FFFF_FFFF_FFFF
    return low - (1 << 64) if low >> 63 else low


_TRY_LOCK = text("SELECT key FROM unnest(CAST(:keys AS bigint[])) AS key WHERE pg_try_advisory_xact_lock(key)")


def try_lock(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Take the locks of `ids` until the end of the transaction; those that another transaction holds are left out."""
    by_key = {lock_key(job_id): job_id for job_id in ids}
    return {by_key[key] for key in session.execute(_TRY_LOCK, {"keys": list(by_key)}).scalars()}


# Each row looks its place in the arrays up by itself: width_bucket() halves its way through ids that are sorted. A join
# with a hundred of them is a loop in a loop, since the planner takes the running ones for few: ten thousand
# comparisons, and as many tries to take a lock.
# CASE, so that only the lock of an attempt that is still current is taken.
_FENCE = Direct(
    text(
        """
    SELECT place
    FROM (SELECT set_config('idle_in_transaction_session_timeout', :patience, true),
                 set_config('statement_timeout', :patience, true)) AS limits,
         (SELECT CAST(:ids AS uuid[]) AS ids, CAST(:attempts AS int[]) AS attempts,
                 CAST(:keys AS bigint[]) AS keys) AS mine,
         jobs,
         LATERAL (SELECT width_bucket(id, ids) AS place OFFSET 0) AS found
    WHERE id = ANY(ids) AND
          CASE WHEN attempt = attempts[place] AND state || '' = 'running'
               THEN pg_try_advisory_xact_lock(keys[place]) END
    """
    )
)


# The same for a job that came alone: planned in half the time.
_FENCE_ONE = Direct(
    text(
        """
    SELECT id, set_config('idle_in_transaction_session_timeout', :patience, true),
           set_config('statement_timeout', :patience, true)
    FROM jobs WHERE id = :id AND attempt = :attempt AND state || '' = 'running' AND pg_try_advisory_xact_lock(:key)
    """
    )
)


def fence(session: Session, attempts: Sequence[tuple[UUID, int]], *, patience: float) -> set[UUID]:
    """Take the locks of these (id, attempt) pairs until the end of the transaction, and let it last `patience` seconds.

    Returns:
        The ids whose attempt is still the current one and whose lock is ours. The guarded move at the end decides all
        the same: this look spares work that would be rolled back.
    """
    lasting = f"{int(patience * 1000)}ms"
    if len(attempts) == 1:
        ((job_id, attempt),) = attempts
        one = {"id": job_id, "attempt": attempt, "key": lock_key(job_id), "patience": lasting}
        return {row[0] for row in _FENCE_ONE.rows(session, one)}
    attempts = in_order_of_ids(attempts)
    values = {
        "ids": array_of_ids(job_id for job_id, _ in attempts),
        "attempts": array_of(attempt for _, attempt in attempts),
        "keys": array_of(lock_key(job_id) for job_id, _ in attempts),
        "patience": lasting,
    }
    return {attempts[at - 1][0] for (at,) in _FENCE.rows(session, values)}


_IS_CURRENT = text("SELECT 1 FROM jobs WHERE id = :id AND attempt = :attempt AND state || '' = 'running'")


def is_current(session: Session, job_id: UUID, attempt: int) -> bool:
    """Say whether this attempt is the job's current one, and running."""
    return session.execute(_IS_CURRENT, {"id": job_id, "attempt": attempt}).scalar_one_or_none() is not None


# The ids are told twice: of a recordset the planner takes a hundred rows for granted, and reads all jobs that run.
_RENEW = text(
    """
    UPDATE jobs SET lease_until = clock_timestamp() + :lease * interval '1 second'
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS mine(id uuid, attempt int)
    WHERE jobs.id = ANY(:ids) AND jobs.id = mine.id AND jobs.attempt = mine.attempt AND jobs.state || '' = 'running'
    RETURNING jobs.id, cancel_requested_at IS NOT NULL AS asked
    """
)


def renew_all(session: Session, attempts: Sequence[tuple[UUID, int]], *, lease: float) -> dict[UUID, bool]:
    """Prolong the leases of running attempts to `lease` seconds from now.

    Returns:
        For each that is still its job's current attempt, whether a cancel was asked for. The others are left out.
    """
    rows = [{"id": job_id, "attempt": attempt} for job_id, attempt in attempts]
    values = {"ids": [job_id for job_id, _ in attempts], "rows": orjson.dumps(rows).decode(), "lease": lease}
    renewed = session.execute(_RENEW, values)
    return {row.id: row.asked for row in renewed}


_CANCEL_REQUESTED = text("SELECT cancel_requested_at IS NOT NULL FROM jobs WHERE id = :id")


def cancel_requested(session: Session, job_id: UUID) -> bool:
    """Say whether somebody asked for this job to be cancelled."""
    return bool(session.execute(_CANCEL_REQUESTED, {"id": job_id}).scalar_one_or_none())


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A running attempt whose lease is over: its worker is gone, or a transaction still holds its lock."""

    id: UUID
    task: str
    attempt: int
    max_attempts: int
    worker: str | None
    cancel_requested: bool


_OVERDUE = text(
    """
    SELECT id, task, attempt, max_attempts, worker, cancel_requested_at IS NOT NULL AS cancel_requested FROM jobs
    WHERE state = 'running' AND lease_until <= statement_timestamp()
    ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)


def claim_overdue(session: Session, *, limit: int) -> list[Overdue]:
    """Lock up to `limit` running jobs whose lease is over, passing by those that somebody else looks at."""
    return rows_as(Overdue, session.execute(_OVERDUE, {"limit": limit}))
