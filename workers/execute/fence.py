"""Fence an attempt: it has effects only while it is still its job's current one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from gristmill.shared.errors import FenceLostError
from gristmill.shared.jobs import leases
from gristmill.workers.hard_limit import hard_limit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.moves import Claimed
    from gristmill.shared.task import Task

log = structlog.get_logger(__name__)


def fence(session: Session, task: Task, jobs: list[Claimed]) -> list[Claimed]:
    """Take the locks of `jobs` and return those whose attempt is still the current one."""
    attempts = [(job.id, job.attempt) for job in jobs]
    current = leases.fence(session, attempts, timeout=hard_limit(task, len(jobs)))
    for job in jobs:
        if job.id not in current:
            log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)
    return [job for job in jobs if job.id in current]


@contextmanager
def fenced_transaction(database: Database, job: Claimed) -> Iterator[Session]:
    """Open a short transaction of a job with outside effects.

    Raises:
        FenceLostError: another attempt has taken over the job.
    """
    with database.transaction() as session:
        if not leases.is_current(session, job.id, job.attempt):
            raise fence_lost(job)
        yield session


def fence_lost(job: Claimed) -> FenceLostError:
    """Return the error of an attempt that is no longer its job's current one."""
    return FenceLostError(f"Attempt {job.attempt} of job {job.id} is no longer the current one")
