"""Queues that are paused: the hints of their jobs are held aside, and put back into the outbox when they go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
from sqlalchemy import text

from gristmill.shared.database.rows import row_as
from gristmill.shared.states import WAITING, sql_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.outbox import Due


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The pause of a queue. `released_at`: the time at which its held hints last went back into the outbox."""

    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    released_at: datetime | None = None


_CONTROL = text(
    "SELECT paused_at, paused_by, pause_reason, released_at FROM gristmill.queue_controls WHERE queue = :queue"
)


def find_control(session: Session, queue: str) -> Control:
    """Return what operators said of `queue`; an empty one when they never said anything."""
    return row_as(Control, session.execute(_CONTROL, {"queue": queue})) or Control()


_PAUSE = text(
    """
    INSERT INTO gristmill.queue_controls (queue, paused_at, paused_by, pause_reason)
    VALUES (:queue, clock_timestamp(), :actor, :reason)
    ON CONFLICT (queue) DO UPDATE
    SET paused_at = excluded.paused_at, paused_by = excluded.paused_by, pause_reason = excluded.pause_reason
    WHERE queue_controls.paused_at IS NULL
    RETURNING queue
    """
)


def pause(session: Session, queue: str, *, actor: str, reason: str | None) -> bool:
    """Pause a queue; False when it is paused already, and stays so as it was."""
    values = {"queue": queue, "actor": actor, "reason": reason}
    return session.execute(_PAUSE, values).scalar_one_or_none() is not None


_RESUME = text(
    """
    WITH resumed AS (
        UPDATE gristmill.queue_controls SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
        WHERE queue = :queue AND paused_at IS NOT NULL
        RETURNING queue
    )
    SELECT queue, pg_notify('gristmill_outbox', '') FROM resumed
    """
)


def resume(session: Session, queue: str) -> bool:
    """Let a queue go on, and wake the relays, which put back what is held. False when it is not paused."""
    return session.execute(_RESUME, {"queue": queue}).one_or_none() is not None


# In the order of ids, so that two relays with twins of one hint wait for each other instead of deadlocking.
_HOLD = text(
    f"""
    INSERT INTO gristmill.held_hints (job_id, task, queue, due_at, alone, revivals, expires_at)
    SELECT DISTINCT ON (jobs.id) jobs.id, due.task, due.queue, due.due_at, due.alone, due.revivals, jobs.expires_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS due(
             job_id uuid, task text, queue text, due_at timestamptz, alone boolean, revivals int)
         JOIN gristmill.jobs ON jobs.id = due.job_id AND jobs.state || '' IN ({sql_list(WAITING)})
    ORDER BY jobs.id, due.due_at DESC
    ON CONFLICT (job_id) DO UPDATE
    SET due_at = excluded.due_at, alone = excluded.alone, revivals = excluded.revivals, expires_at = excluded.expires_at
    """
)


def hold(session: Session, hints: Sequence[Due]) -> None:
    """Hold hints that were taken from the outbox; those of jobs that do not wait any more are dropped."""
    names = ("job_id", "task", "queue", "due_at", "alone", "revivals")
    rows = [{name: getattr(hint, name) for name in names} for hint in hints]
    session.execute(_HOLD, {"rows": orjson.dumps(rows).decode()})


# With a row of its queue the relay finds what is held of it, once the queue is declared again.
_NOTE_QUEUES = text(
    "INSERT INTO gristmill.queue_controls (queue) SELECT unnest(CAST(:queues AS text[])) ON CONFLICT DO NOTHING"
)


def hold_undeclared(session: Session, hints: Sequence[Due]) -> None:
    """Hold hints of queues that the code does not declare, until it does again."""
    hold(session, hints)
    session.execute(_NOTE_QUEUES, {"queues": sorted({hint.queue for hint in hints})})


# Of a queue that was never paused nothing was refused. One whose worker was lost once may be what kills workers.
_HOLD_REFUSED = text(
    f"""
    INSERT INTO gristmill.held_hints (job_id, task, queue, due_at, alone, revivals, expires_at)
    SELECT id, task, queue, run_at,
           EXISTS (SELECT 1 FROM gristmill.attempts WHERE attempts.job_id = jobs.id AND outcome = 'lost'), 0, expires_at
    FROM gristmill.jobs
    WHERE id = ANY(:ids) AND state || '' IN ({sql_list(WAITING)}) AND run_at <= statement_timestamp()
      AND NOT EXISTS (SELECT 1 FROM gristmill.outbox WHERE outbox.due_at = jobs.run_at AND outbox.job_id = jobs.id)
      AND EXISTS (SELECT 1 FROM gristmill.queue_controls WHERE queue_controls.queue = jobs.queue)
    ORDER BY id
    ON CONFLICT (job_id) DO NOTHING
    RETURNING job_id
    """
)


def hold_refused(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Hold anew the hints of those of `ids` that a claim refused because their queue is paused; returns their ids.

    Also when it was resumed in between: what is held of a queue that is not paused goes back into the outbox.
    """
    return set(session.execute(_HOLD_REFUSED, {"ids": list(ids)}).scalars())


# The first of an index, and not EXISTS: that may read the million that another queue holds.
_RELEASABLE = text(
    """
    SELECT queue FROM gristmill.queue_controls
    WHERE paused_at IS NULL AND (
        SELECT job_id FROM gristmill.held_hints WHERE held_hints.queue = queue_controls.queue ORDER BY due_at, job_id
        LIMIT 1
    ) IS NOT NULL
    """
)
_RELEASE = text(
    """
    WITH freed AS (
        DELETE FROM gristmill.held_hints WHERE job_id = ANY(ARRAY(
            SELECT job_id FROM gristmill.held_hints WHERE queue = :queue
            ORDER BY due_at, job_id LIMIT :limit FOR UPDATE SKIP LOCKED))
        RETURNING job_id, task, queue, due_at, alone, revivals
    ), told AS (
        UPDATE gristmill.queue_controls SET released_at = clock_timestamp()
        WHERE queue = :queue AND EXISTS (SELECT 1 FROM freed)
    )
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at, alone, revivals)
    SELECT job_id, task, queue, due_at, alone, revivals FROM freed ORDER BY due_at, job_id
    RETURNING job_id
    """
)


def list_releasable(session: Session) -> list[str]:
    """Return the queues that are not paused and whose hints are held still."""
    return list(session.execute(_RELEASABLE).scalars())


def release(session: Session, queue: str, *, limit: int) -> int:
    """Put up to `limit` held hints of a queue back into the outbox, oldest first; returns how many."""
    return len(session.execute(_RELEASE, {"queue": queue, "limit": limit}).all())


_DROP_EXPIRED = text(
    """
    DELETE FROM gristmill.held_hints WHERE job_id = ANY(ARRAY(
        SELECT job_id FROM gristmill.held_hints WHERE expires_at <= statement_timestamp()
        ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING job_id
    """
)


def drop_expired(session: Session, *, limit: int) -> list[UUID]:
    """Drop up to `limit` held hints whose jobs are no longer wanted, and return these; the caller ends them."""
    return list(session.execute(_DROP_EXPIRED, {"limit": limit}).scalars())
