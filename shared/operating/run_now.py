"""Let a job that waits for its time run at once."""

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


def run_job_now(session: Session, job_id: UUID, *, actor: str, producer_id: UUID | None = None) -> Job:
    """Let a job run now, in the caller's transaction; one that is due already stays as it is.

    Args:
        session: from `Database.transaction()`.
        job_id: the job.
        actor: who does it, for the record.
        producer_id: whose job it must be; None sees all.

    Raises:
        JobNotFoundError: there is no such job.
        ConflictError: it runs, or has ended; the message says what to do instead.
    """
    job = lock_job(session, job_id, producer_id=producer_id)
    if job.state not in WAITING:
        cure = {
            State.RUNNING: "it is being worked on",
            State.DEAD: "redrive its dead letter instead",
        }.get(State(job.state), "post another job instead")
        msg = f"The job {job_id} is {job.state} and does not wait for its time: {cure}"
        raise ConflictError(msg)
    was = job.run_at
    if moves.run_now(session, job_id):
        record_act(session, actor=actor, action="job.run_now", subject=f"job:{job_id}", was_due_at=was.isoformat())
        session.refresh(job)
    return job
