"""Dead letters that failed in the same way, as groups."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from gristmill.shared.database.timeouts import statement_timeout
from gristmill.shared.dead_letters.models import DeadLetter

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.filters.specification import Specification


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """Dead letters that failed in the same way, with the latest of them."""

    task: str | None
    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime
    sample: DeadLetter


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """The position of a group in the list: by its size, then by its latest dead letter."""

    count: int
    last_seen: datetime
    sample: UUID

    @classmethod
    def of(cls, group: LetterGroup) -> GroupPosition:
        return cls(group.count, group.last_seen, group.sample.id)


def list_groups(
    session: Session, wanted: Specification, *, limit: int, after: GroupPosition | None = None
) -> list[LetterGroup]:
    """Return at most `limit` groups by task and fingerprint, the largest first; `after` is where a page ended.

    A group that grows between two pages has moved towards the first: it may be on both, or on neither.

    Raises:
        FilterTooSlowError: the filter has to look at too much.
    """
    by_age = (DeadLetter.created_at.desc(), DeadLetter.id.desc())
    latest: ColumnElement[Any] = func.array_agg(aggregate_order_by(DeadLetter.id, *by_age))
    groups = (
        select(
            DeadLetter.task,
            DeadLetter.fingerprint,
            func.count().label("number"),
            func.min(DeadLetter.created_at).label("first_seen"),
            func.max(DeadLetter.created_at).label("last_seen"),
            latest[1].label("sample"),
        )
        .where(wanted.condition())
        .group_by(DeadLetter.task, DeadLetter.fingerprint)
        .subquery()
    )
    places = (groups.c.number, groups.c.last_seen, groups.c.sample)
    query = select(groups).order_by(*(column.desc() for column in places)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*places) < (after.count, after.last_seen, after.sample))
    with statement_timeout(session):
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
        if row.sample in by_id  # it was pruned this very moment
    ]
