"""Find the finished job that a callback reports, with its producer and its dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from gristmill.shared.database.clock import read_clock
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.jobs.models import Job
from gristmill.shared.producers.models import Producer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedJob:
    """A job that has ended, with its producer.

    Attributes:
        letter: the dead letter of this end; None after a success.
        now: the time of the database.
    """

    job: Job
    producer: Producer
    letter: DeadLetter | None
    now: datetime


def find_finished_job(session: Session, delivery_id: UUID, *, ended_at: datetime) -> FinishedJob | None:
    """Return the job whose end at `ended_at` is reported by the job `delivery_id`; None when it reports none."""
    delivery = session.get(Job, delivery_id)
    job = session.get(Job, delivery.parent_id) if delivery is not None and delivery.parent_id is not None else None
    producer = session.get(Producer, job.producer_id) if job is not None and job.producer_id is not None else None
    if job is None or job.callback_url is None or producer is None:
        return None
    # A redriven job has one dead letter for each end, written right after the end by the same statement.
    letters = select(DeadLetter).where(DeadLetter.job_id == job.id, DeadLetter.created_at >= ended_at)
    return FinishedJob(
        job=job,
        producer=producer,
        letter=session.scalars(letters.order_by(DeadLetter.created_at).limit(1)).one_or_none(),
        now=read_clock(session),
    )
