"""Pause and resume queues. Paused means: accepted, not started; what runs goes on to its end, what expires expires."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from gristmill.shared.audit.queries import record_act
from gristmill.shared.errors import NotFoundError
from gristmill.shared.jobs import moves
from gristmill.shared.operating import queries_pause as pausing
from gristmill.shared.queues import QUEUES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)


def pause_queue(session: Session, name: str, *, actor: str, reason: str | None) -> bool:
    """Let no worker begin a job of a queue from the commit of the caller's transaction on.

    Args:
        session: from `Database.transaction()`.
        name: of the queue. Jobs of high priority wait in `priority_queue`, whatever their task.
        actor: who does it, for the record and for those who wait.
        reason: why, for the same.

    Returns:
        Whether it was not paused before; the first to pause it stays the one who did.

    Raises:
        NotFoundError: there is no such queue.
    """
    check_queue(name)
    paused = pausing.pause(session, name, actor=actor, reason=reason)
    if paused:
        record_act(session, actor=actor, action="queue.pause", subject=f"queue:{name}", reason=reason)
    return paused


def resume_queue(session: Session, name: str, *, actor: str) -> bool:
    """Let a queue go on; a relay puts back what was held as soon as the caller's transaction has committed.

    Returns:
        Whether it was paused.

    Raises:
        NotFoundError: there is no such queue.
    """
    check_queue(name)
    was = pausing.find_control(session, name)
    resumed = pausing.resume(session, name)
    if resumed:
        since = was.paused_at.isoformat() if was.paused_at else None
        record_act(
            session, actor=actor, action="queue.resume", subject=f"queue:{name}", paused_by=was.paused_by, since=since
        )
    return resumed


def expire_held(session: Session, *, limit: int) -> int:
    """End up to `limit` jobs of paused queues that have waited too long; returns how many were looked at."""
    over = pausing.drop_expired(session, limit=limit)
    if over:
        for job_id in moves.expire(session, over):
            log.warning("job.expired", job_id=str(job_id))
    return len(over)


def check_queue(name: str) -> None:
    """Refuse the name of a queue that there is not.

    Raises:
        NotFoundError: names those that there are.
    """
    if name not in QUEUES:
        msg = f"No queue is called {name[:100]!r}; there are {', '.join(QUEUES)}"
        raise NotFoundError(msg)
