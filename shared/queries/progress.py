"""Where a job is: whether its hint still waits for the relay, and which of some ids are there at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from shared.models.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a job's row does not tell: the database's time, its hint in the outbox, its last error's code."""

    now: datetime
    hint_waits: bool
    last_error: str | None


# A hint is due when its job is: the index on due_at finds it, where one on job_id would cost every insert.
_PROGRESS = text(
    """
    SELECT clock_timestamp() AS now,
           EXISTS (SELECT 1 FROM outbox WHERE due_at = :run_at AND job_id = :id) AS hint_waits,
           (SELECT error_code FROM attempts WHERE job_id = :id ORDER BY attempt DESC LIMIT 1) AS last_error
    """
)


def look_at_progress(session: Session, job: Job) -> Progress:
    """Return what there is to know about a job that waits."""
    row = session.execute(_PROGRESS, {"id": job.id, "run_at": job.run_at}).mappings().one()
    return Progress(**row)


_WRITTEN = text("SELECT id FROM jobs WHERE id = ANY(:ids)")


def find_written(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Return those of `ids` that are jobs: the arbiter when nobody knows what became of a COMMIT."""
    return set(session.execute(_WRITTEN, {"ids": list(ids)}).scalars())
