"""Jobs by a filter: listed, counted, and found to be cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select, text, union_all

from gristmill.shared.database.bounded_count import Count, count_rows
from gristmill.shared.database.timeouts import statement_timeout
from gristmill.shared.filters.comparisons import Among, Equal, Leaf, Null
from gristmill.shared.filters.specification import And
from gristmill.shared.jobs.models import Job
from gristmill.shared.operating.job_filter import JOBS
from gristmill.shared.states import FINAL, LIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from gristmill.shared.filters.specification import Specification

# What a cancel can still do something about.
CANCELLABLE: Final = Among(JOBS["state"], tuple(sorted(LIVE))) & Null(JOBS["cancel_requested_at"], True)

_AGES: Final = (JOBS["id"], JOBS["created_at"])


def list_jobs(session: Session, wanted: Specification, *, limit: int, before: UUID | None = None) -> Sequence[Job]:
    """Return at most `limit` jobs, newest first (UUIDv7 ids sort by time); `before` is the last id of a page.

    Raises:
        FilterTooSlowError: the filter has to look at too much.
    """
    older = () if before is None else (Job.id < before,)
    pages = [
        select(Job).where(half.condition(), *older).order_by(Job.id.desc()).limit(limit) for half in _halves(wanted)
    ]
    page = select(Job).from_statement(union_all(*pages).order_by(text("id DESC")).limit(limit))
    with statement_timeout(session):
        return session.scalars(page if len(pages) > 1 else pages[0]).all()


def count_jobs(session: Session, wanted: Specification) -> Count:
    """Return how many jobs there are, up to a bound."""
    return count_rows(session, *(select(Job.id).where(half.condition()) for half in _halves(wanted)))


def _halves(wanted: Specification) -> list[Specification]:
    """Return what is wanted of the live jobs, and what of those that have ended.

    Each half has its indexes: those of live jobs are small, and those of the others are written once a job. Of a state
    that is asked for there is one half: Postgres would look for ended ones among the live in vain, row by row. What is
    asked for by age alone is whole: it lies in the order of the primary key.
    """
    terms = wanted.terms if isinstance(wanted, And) else (wanted,)
    if all(isinstance(term, Leaf) and term.field in _AGES for term in terms):
        return [wanted]
    states = {term.value for term in terms if isinstance(term, Equal) and term.field == JOBS["state"]}
    halves = [Among(JOBS["state"], tuple(sorted(half))) for half in (LIVE, FINAL) if states <= half]
    return [half & wanted for half in halves] or [wanted]


def find_cancellable(session: Session, wanted: Specification, *, limit: int) -> Sequence[UUID]:
    """Return at most `limit` of those that wait, or run and were not asked to end, by id.

    Raises:
        FilterTooSlowError: the filter has to look at too much.
    """
    # Ordered by Postgres they might be looked for along the primary key, through all that has ended.
    query = select(Job.id).where((wanted & CANCELLABLE).condition()).limit(limit)
    with statement_timeout(session):
        return sorted(session.scalars(query))


def lock_cancellable(session: Session, ids: Sequence[UUID], wanted: Specification, *, wait: bool) -> dict[UUID, str]:
    """Lock those of `ids` that the filter still fits, as they are now; return their states by id.

    Args:
        wait: for who holds one. Without it those are left out: to wait for one while holding others may be a deadlock.
    """
    columns: tuple[Any, Any] = (Job.id, Job.state)
    query = select(*columns).where(Job.id.in_(ids), (wanted & CANCELLABLE).condition()).order_by(Job.id)
    rows = session.execute(query.with_for_update(key_share=True, skip_locked=not wait, of=Job))
    return {job_id: state for job_id, state in rows}  # noqa: C416  mypy does not see that a Row is a pair
