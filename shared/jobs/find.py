"""Find jobs, their attempts and their children."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from gristmill.shared.errors import JobNotFoundError
from gristmill.shared.jobs.models import Attempt, Job

if TYPE_CHECKING:
    from collections.abc import Sequence


def find_job(session: Session, job_id: UUID) -> Job | None:
    """Return the job, or None."""
    return session.get(Job, job_id)


def get_job(session: Session, job_id: UUID, *, producer_id: UUID | None = None) -> Job:
    """Return the job.

    Args:
        producer_id: the producer that must own the job; None permits every owner.

    Raises:
        JobNotFoundError: there is none, or another producer owns it.
    """
    job = find_job(session, job_id)
    if job is None or (producer_id is not None and job.producer_id != producer_id):
        msg = f"No job {job_id}"
        raise JobNotFoundError(msg)
    return job


def lock_job(session: Session, job_id: UUID, *, producer_id: UUID | None = None) -> Job:
    """Return the current row of the job, locked against moves by others until the caller's transaction ends.

    Raises:
        JobNotFoundError: there is none, or another producer than `producer_id` owns it.
    """
    get_job(session, job_id, producer_id=producer_id)
    return session.get_one(Job, job_id, populate_existing=True, with_for_update={"key_share": True})


def list_attempts(session: Session, job_id: UUID) -> Sequence[Attempt]:
    """Return the unsuccessful attempts of a job, oldest first. The row of the job describes its latest attempt."""
    return session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.attempt)).all()


def list_children(session: Session, job_id: UUID) -> list[UUID]:
    """Return the ids of the first hundred jobs that this job enqueued."""
    query = select(Job.id).where(Job.parent_id == job_id).order_by(Job.id).limit(100)
    return list(session.scalars(query))
