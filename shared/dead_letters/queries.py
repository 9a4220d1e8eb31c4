"""Find, list, count and discard dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import and_, func, select, tuple_, update

from gristmill.shared.database.bounded_count import Count, count_rows
from gristmill.shared.database.rows import rows_as
from gristmill.shared.database.timeouts import statement_timeout
from gristmill.shared.dead_letters.filter import LETTERS, OPEN, choose_letters
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.errors import InvalidError, NotFoundError
from gristmill.shared.filters.comparisons import Equal
from gristmill.shared.filters.specification import And
from gristmill.shared.jobs.models import Job
from gristmill.shared.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from gristmill.shared.filters.specification import Specification

_AGE = (DeadLetter.created_at, DeadLetter.id)


def _condition(wanted: Specification) -> ColumnElement[bool]:
    """Return the filter as a WHERE clause that can use an index for the open dead letters of one producer.

    The job of an open dead letter is dead, but Postgres cannot know it. With this condition it reads the few dead jobs
    of a producer, and not the producer of each open dead letter.
    """
    terms = wanted.terms if isinstance(wanted, And) else (wanted,)
    producers = [term for term in terms if isinstance(term, Equal) and term.field == LETTERS["producer_id"]]
    if OPEN not in terms or not producers:
        return wanted.condition()
    dead = and_(producers[0].test(Job.producer_id), Job.state == State.DEAD)
    return and_(wanted.condition(), DeadLetter.job.has(dead))


def list_letters(
    session: Session, wanted: Specification, *, limit: int, before: UUID | None = None
) -> Sequence[DeadLetter]:
    """Return at most `limit` dead letters, newest first; `before` is the last id of the previous page.

    Raises:
        InvalidError: the dead letter `before` no longer exists.
        FilterTooSlowError: the filter would have to scan too much.
    """
    query = select(DeadLetter).where(_condition(wanted)).order_by(*(column.desc() for column in _AGE)).limit(limit)
    if before is not None:
        last = session.get(DeadLetter, before)
        if last is None:
            msg = "The dead letter of this cursor no longer exists: start again without a cursor"
            raise InvalidError(msg, {"cursor": [msg]})
        query = query.where(tuple_(*_AGE) < (last.created_at, last.id))
    with statement_timeout(session):
        return session.scalars(query).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrivable:
    """The columns of a dead letter that a redrive needs. `unique`: its job has a unique key."""

    id: UUID
    created_at: datetime
    job_id: UUID | None
    task: str | None
    unique: bool


def list_redrivable(
    session: Session, wanted: Specification, *, limit: int, after: Redrivable | None = None
) -> list[Redrivable]:
    """Return at most `limit` dead letters, oldest first; `after` is the last one of the previous page.

    Raises:
        FilterTooSlowError: the filter would have to scan too much.
    """
    unique = Job.unique_key.is_not(None).label("unique")
    columns: tuple[Any, ...] = (DeadLetter.id, DeadLetter.created_at, DeadLetter.job_id, Job.task, unique)
    query = (
        select(*columns)
        .outerjoin(Job, Job.id == DeadLetter.job_id)
        .where(_condition(wanted))
        .order_by(*_AGE)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*_AGE) > (after.created_at, after.id))
    with statement_timeout(session):
        return rows_as(Redrivable, session.execute(query))


def count_letters(session: Session, wanted: Specification) -> Count:
    """Return the number of matching dead letters, up to a bound."""
    return count_rows(session, select(DeadLetter.id).where(_condition(wanted)))


def get_letter(session: Session, letter_id: UUID, *, producer_id: UUID | None = None) -> DeadLetter:
    """Return the dead letter.

    Args:
        session: the caller's.
        letter_id: its id.
        producer_id: only a dead letter of this producer's jobs; None for any.

    Raises:
        NotFoundError: there is no such dead letter, or it is another producer's.
    """
    wanted = choose_letters(resolution="all", producer_id=producer_id) & Equal(LETTERS["id"], letter_id)
    letter = session.scalars(select(DeadLetter).where(wanted.condition())).one_or_none()
    if letter is None:
        msg = f"No dead letter {letter_id}"
        raise NotFoundError(msg)
    return letter


def find_latest_letter(session: Session, job_id: UUID) -> DeadLetter | None:
    """Return the open dead letter of a job, otherwise its latest one, or None."""
    query = select(DeadLetter).where(DeadLetter.job_id == job_id)
    return session.scalars(query.order_by(DeadLetter.resolved_at.desc().nulls_first()).limit(1)).one_or_none()


def discard_letter(session: Session, letter_id: UUID, *, actor: str, reason: str) -> bool:
    """Discard an open dead letter; its job stays dead. Returns False when it was not open."""
    statement = update(DeadLetter).where(DeadLetter.id == letter_id, DeadLetter.resolution.is_(None))
    values = {
        "resolution": "discarded",
        "resolved_at": func.clock_timestamp(),
        "resolved_by": actor,
        "note": reason,
    }
    return session.execute(statement.values(values).returning(DeadLetter.id)).scalar_one_or_none() is not None
