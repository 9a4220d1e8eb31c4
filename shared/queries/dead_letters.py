"""Dead letters as rows: find, list, group, count and discard them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import aggregate_order_by

from shared.errors import InvalidError, NotFoundError
from shared.models.dead_letters import DeadLetter
from shared.models.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

Resolution = Literal["open", "redriven", "discarded", "all"]
_AGE = (DeadLetter.created_at, DeadLetter.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which dead letters; what is None does not matter.

    Attributes:
        producer_id: whose jobs'; None is everybody's, and the letters that have no job.
    """

    task: str | None = None
    queue: str | None = None
    reason: str | None = None
    fingerprint: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    resolution: Resolution = "open"
    producer_id: UUID | None = None

    def chosen(self) -> dict[str, str]:
        """Return what it says, for the record."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}


def _conditions(wanted: LetterFilter) -> list[ColumnElement[bool]]:
    equal = {
        DeadLetter.task: wanted.task,
        DeadLetter.queue: wanted.queue,
        DeadLetter.reason: wanted.reason,
        DeadLetter.fingerprint: wanted.fingerprint,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.created_after is not None:
        conditions.append(DeadLetter.created_at > wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(DeadLetter.created_at < wanted.created_before)
    if wanted.resolution == "open":
        conditions.append(DeadLetter.resolution.is_(None))
    elif wanted.resolution != "all":
        conditions.append(DeadLetter.resolution == wanted.resolution)
    if wanted.producer_id is not None:
        own = select(Job.id).where(Job.id == DeadLetter.job_id, Job.producer_id == wanted.producer_id)
        conditions.append(own.correlate(DeadLetter).exists())
    return conditions


def list_letters(
    session: Session, wanted: LetterFilter, *, limit: int, before: UUID | None = None
) -> Sequence[DeadLetter]:
    """Return at most `limit` dead letters, newest first; `before` is the last id of a page.

    Raises:
        InvalidError: there is no letter `before` (any more).
    """
    query = select(DeadLetter).where(*_conditions(wanted)).order_by(*(column.desc() for column in _AGE)).limit(limit)
    if before is not None:
        last = session.get(DeadLetter, before)
        if last is None:
            msg = "The dead letter at which this list goes on is gone: begin again, without a cursor"
            raise InvalidError(msg, {"cursor": [msg]})
        query = query.where(tuple_(*_AGE) < (last.created_at, last.id))
    return session.scalars(query).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrivable:
    """What a redrive needs to know of a dead letter."""

    id: UUID
    created_at: datetime
    job_id: UUID | None
    task: str | None
    unique: bool


def list_oldest(
    session: Session, wanted: LetterFilter, *, limit: int, after: Redrivable | None = None
) -> list[Redrivable]:
    """Return at most `limit` dead letters, oldest first; `after` is the last one of the page before."""
    unique = Job.unique_key.is_not(None).label("unique")
    columns: tuple[Any, ...] = (DeadLetter.id, DeadLetter.created_at, DeadLetter.job_id, Job.task, unique)
    query = (
        select(*columns)
        .outerjoin(Job, Job.id == DeadLetter.job_id)
        .where(*_conditions(wanted))
        .order_by(*_AGE)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*_AGE) > (after.created_at, after.id))
    return [Redrivable(**row) for row in session.execute(query).mappings()]


def count_letters(session: Session, wanted: LetterFilter) -> int:
    """Return how many dead letters there are."""
    return session.scalars(select(func.count()).select_from(DeadLetter).where(*_conditions(wanted))).one()


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """Dead letters that failed in the same way, with the latest of them."""

    task: str | None
    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime
    sample: DeadLetter


def list_groups(session: Session, wanted: LetterFilter, *, limit: int) -> list[LetterGroup]:
    """Return at most `limit` groups by task and fingerprint, the largest first."""
    latest: ColumnElement[Any] = func.array_agg(aggregate_order_by(DeadLetter.id, DeadLetter.created_at.desc()))
    query: Select[Any] = (
        select(
            DeadLetter.task,
            DeadLetter.fingerprint,
            func.count().label("number"),
            func.min(DeadLetter.created_at).label("first_seen"),
            func.max(DeadLetter.created_at).label("last_seen"),
            latest[1].label("sample"),
        )
        .where(*_conditions(wanted))
        .group_by(DeadLetter.task, DeadLetter.fingerprint)
        .order_by(text("number DESC, last_seen DESC"))
        .limit(limit)
    )
    rows = session.execute(query).all()
    samples = session.scalars(select(DeadLetter).where(DeadLetter.id.in_([row.sample for row in rows])))
    by_id = {letter.id: letter for letter in samples}
    return [
        LetterGroup(
            task=row.task,
            fingerprint=row.fingerprint,
            count=row.number,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            sample=by_id[row.sample],
        )
        for row in rows
    ]


def get_letter(session: Session, letter_id: UUID, *, producer_id: UUID | None = None) -> DeadLetter:
    """Return the dead letter.

    Args:
        session: the caller's.
        letter_id: its id.
        producer_id: whose job's it must be; None sees all.

    Raises:
        NotFoundError: there is none, or it is another producer's.
    """
    conditions = _conditions(LetterFilter(resolution="all", producer_id=producer_id))
    letter = session.scalars(select(DeadLetter).where(DeadLetter.id == letter_id, *conditions)).one_or_none()
    if letter is None:
        msg = f"No dead letter {letter_id}"
        raise NotFoundError(msg)
    return letter


def find_latest_letter(session: Session, job_id: UUID) -> DeadLetter | None:
    """Return the open dead letter of a job, or else the last one it had, or None."""
    query = select(DeadLetter).where(DeadLetter.job_id == job_id)
    return session.scalars(query.order_by(DeadLetter.resolved_at.desc().nulls_first()).limit(1)).one_or_none()


def discard_letter(session: Session, letter_id: UUID, *, actor: str, reason: str) -> bool:
    """Resolve an open letter without another try; its job stays dead. False when it is not open any more."""
    statement = update(DeadLetter).where(DeadLetter.id == letter_id, DeadLetter.resolution.is_(None))
    values = {
        "resolution": "discarded",
        "resolved_at": func.clock_timestamp(),
        "resolved_by": actor,
        "note": reason,
    }
    return session.execute(statement.values(values).returning(DeadLetter.id)).scalar_one_or_none() is not None
