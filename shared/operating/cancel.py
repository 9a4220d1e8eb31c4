"""Cancel jobs: one that waits ends at once, one that runs is ended by its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.errors import ConflictError
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.find import lock_job
from gristmill.shared.states import WAITING, State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Job


def cancel_job(session: Session, job_id: UUID, *, actor: str, producer_id: UUID | None = None) -> Job:
    """Cancel a job in the caller's transaction; asking again changes nothing.

    Args:
        session: from `Database.transaction()`.
        job_id: the job.
        actor: who does it, for the record.
        producer_id: whose job it must be; None sees all.

    Returns:
        The job: `cancelled`, or still `running` with `cancel_requested_at`. Then its handler is told, its process is
        ended when it does not return within a grace, and nothing of a half attempt is kept in Postgres; but an attempt
        that commits before it hears of it has succeeded.

    Raises:
        JobNotFoundError: there is no such job.
        ConflictError: it has succeeded, or is dead.
    """
    job = lock_job(session, job_id, producer_id=producer_id)
    if job.state in (State.SUCCEEDED, State.DEAD):
        msg = f"The job {job_id} is {job.state} already: only a job that has not ended can be cancelled"
        raise ConflictError(msg)
    was = job.state
    changed = bool(moves.cancel_waiting(session, [job_id])) if was in WAITING else moves.request_cancel(session, job_id)
    if changed:
        record_act(session, actor=actor, action="job.cancel", subject=f"job:{job_id}", was=was)
        session.refresh(job)
    return job
