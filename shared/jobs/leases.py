"""Lock and lease running attempts: the lock of a transactional attempt, the lease of every attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson
from sqlalchemy import text

from gristmill.shared.database.direct import Direct, array_of, array_of_ids, in_order_of_ids
from gristmill.shared.database.rows import rows_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


# Of the low 64 bits of a UUID the first two are 10 (RFC 9562, 4.1), the rest of a UUIDv7's is random. So a key lies
# below -2^62, where no plain number is that an application locks, and the name keeps it from those that make keys of
# ids as we do.
_NAME: Final = int.from_bytes(b"gristmill") & ((1 << 62) - 1)


def lock_key(job_id: UUID) -> int:
    """Return the advisory lock key of a job: the low 64 bits of its UUIDv7, mixed with the platform's name."""
    low = (job_id.int & 0xFFFF_FFFF_FFFF_FFFF) ^ _NAME
    return low - (1 << 64) if low >> 63 else low


_TRY_LOCK = text("SELECT key FROM unnest(CAST(:keys AS bigint[])) AS key WHERE pg_try_advisory_xact_lock(key)")


def try_lock(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Take the locks of `ids` until the end of the transaction. Return the ids whose lock was free."""
    by_key = {lock_key(job_id): job_id for job_id in ids}
    return {by_key[key] for key in session.execute(_TRY_LOCK, {"keys": list(by_key)}).scalars()}


# Each row finds its position in the arrays by width_bucket(), a binary search through the sorted ids. A join with a
# hundred ids would be a nested loop, since the planner expects few running jobs: ten thousand comparisons, and as many
# attempts to take a lock. The CASE takes the lock of a current attempt only.
_FENCE = Direct(
    text(
        """
    SELECT place
    FROM (SELECT set_config('idle_in_transaction_session_timeout', :timeout, true),
                 set_config('statement_timeout', :timeout, true)) AS limits,
         (SELECT CAST(:ids AS uuid[]) AS ids, CAST(:attempts AS int[]) AS attempts,
                 CAST(:keys AS bigint[]) AS keys) AS mine,
         gristmill.jobs,
         LATERAL (SELECT width_bucket(id, ids) AS place OFFSET 0) AS found
    WHERE id = ANY(ids) AND
          CASE WHEN attempt = attempts[place] AND state || '' = 'running'
               THEN pg_try_advisory_xact_lock(keys[place]) END
    """
    )
)


# The same for a single job: planned in half the time.
_FENCE_ONE = Direct(
    text(
        """
    SELECT id, set_config('idle_in_transaction_session_timeout', :timeout, true),
           set_config('statement_timeout', :timeout, true)
    FROM gristmill.jobs WHERE id = :id AND attempt = :attempt AND state || '' = 'running'
      AND pg_try_advisory_xact_lock(:key)
    """
    )
)


def fence(session: Session, attempts: Sequence[tuple[UUID, int]], *, timeout: float) -> set[UUID]:
    """Take the locks of these (id, attempt) pairs until the end of the transaction, which may last `timeout` seconds.

    Returns:
        The ids whose attempt is still the current one and whose lock was taken. The guarded move at the end decides;
        this check only avoids work that would be rolled back.
    """
    milliseconds = f"{int(timeout * 1000)}ms"
    if len(attempts) == 1:
        ((job_id, attempt),) = attempts
        one = {"id": job_id, "attempt": attempt, "key": lock_key(job_id), "timeout": milliseconds}
        return {row[0] for row in _FENCE_ONE.rows(session, one)}
    attempts = in_order_of_ids(attempts)
    values = {
        "ids": array_of_ids(job_id for job_id, _ in attempts),
        "attempts": array_of(attempt for _, attempt in attempts),
        "keys": array_of(lock_key(job_id) for job_id, _ in attempts),
        "timeout": milliseconds,
    }
    return {attempts[position - 1][0] for (position,) in _FENCE.rows(session, values)}


_IS_CURRENT = text("SELECT 1 FROM gristmill.jobs WHERE id = :id AND attempt = :attempt AND state || '' = 'running'")


def is_current(session: Session, job_id: UUID, attempt: int) -> bool:
    """Return whether this attempt is the current one of the job, and running."""
    return session.execute(_IS_CURRENT, {"id": job_id, "attempt": attempt}).scalar_one_or_none() is not None


# The ids are sent twice: the planner expects a hundred rows of a recordset, and would read all running jobs.
_RENEW = text(
    """
    UPDATE gristmill.jobs SET lease_until = clock_timestamp() + :lease * interval '1 second'
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS mine(id uuid, attempt int)
    WHERE jobs.id = ANY(:ids) AND jobs.id = mine.id AND jobs.attempt = mine.attempt AND jobs.state || '' = 'running'
    RETURNING jobs.id, cancel_requested_at IS NOT NULL AS asked
    """
)


def renew_all(session: Session, attempts: Sequence[tuple[UUID, int]], *, lease: float) -> dict[UUID, bool]:
    """Extend the leases of running attempts to `lease` seconds from now.

    Returns:
        For each id whose attempt is still the current one, whether a cancel was requested. The others are left out.
    """
    rows = [{"id": job_id, "attempt": attempt} for job_id, attempt in attempts]
    values = {"ids": [job_id for job_id, _ in attempts], "rows": orjson.dumps(rows).decode(), "lease": lease}
    renewed = session.execute(_RENEW, values)
    return {row.id: row.asked for row in renewed}


_CANCEL_REQUESTED = text("SELECT cancel_requested_at IS NOT NULL FROM gristmill.jobs WHERE id = :id")


def cancel_requested(session: Session, job_id: UUID) -> bool:
    """Return whether the cancellation of this job was requested."""
    return bool(session.execute(_CANCEL_REQUESTED, {"id": job_id}).scalar_one_or_none())


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """A running attempt whose lease has expired: its worker is lost, or its transaction still holds the lock."""

    id: UUID
    task: str
    attempt: int
    max_attempts: int
    worker: str | None
    cancel_requested: bool


_OVERDUE = text(
    """
    SELECT id, task, attempt, max_attempts, worker, cancel_requested_at IS NOT NULL AS cancel_requested
    FROM gristmill.jobs
    WHERE state = 'running' AND lease_until <= statement_timestamp()
    ORDER BY lease_until LIMIT :limit FOR UPDATE SKIP LOCKED
    """
)


def lock_overdue(session: Session, *, limit: int) -> list[Overdue]:
    """Lock up to `limit` running jobs whose lease has expired, skipping those that others have locked."""
    return rows_as(Overdue, session.execute(_OVERDUE, {"limit": limit}))
