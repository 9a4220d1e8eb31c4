"""Jobs as rows: find and list what is there."""

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
        producer_id: whose it must be; None sees all.

    Raises:
        JobNotFoundError: there is none, or it is another producer's.
    """
    job = find_job(session, job_id)
    if job is None or (producer_id is not None and job.producer_id != producer_id):
        msg = f"No job {job_id}"
        raise JobNotFoundError(msg)
    return job


def lock_job(session: Session, job_id: UUID, *, producer_id: UUID | None = None) -> Job:
    """Return the job as it is now; nobody else moves it before the end of the caller's transaction.

    Raises:
        JobNotFoundError: there is none, or it is another producer's than `producer_id`.
    """
    get_job(session, job_id, producer_id=producer_id)
    return session.get_one(Job, job_id, populate_existing=True, with_for_update={"key_share": True})


def list_attempts(session: Session, job_id: UUID) -> Sequence[Attempt]:
    """Return the attempts of a job that did not succeed, oldest first (the row of a job tells of its latest)."""
    return session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.attempt)).all()


def list_children(session: Session, job_id: UUID) -> list[UUID]:
    """Return the ids of the first hundred jobs that this job enqueued."""
    query = select(Job.id).where(Job.parent_id == job_id).order_by(Job.id).limit(100)
    return list(session.scalars(query))
