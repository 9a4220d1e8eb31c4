"""Create, find and list producers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from gristmill.shared.base.principal import SCOPES
from gristmill.shared.errors import ConflictError, InvalidError, NotFoundError
from gristmill.shared.producers.models import Producer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def create_producer(
    session: Session,
    name: str,
    scopes: Collection[str],
    *,
    allowed_tasks: Collection[str] | None = None,
    quota: int | None = None,
    sees_payloads: bool = True,
    rate: float | None = None,
    burst: int | None = None,
) -> Producer:
    """Create a producer, without a key.

    Args:
        allowed_tasks: the only tasks whose jobs it may post; None allows every task.
        quota: the most jobs it may have in flight; None for no limit.
        sees_payloads: whether arguments and results are shown to it.
        rate: requests a second that it may make; None for no limit.
        burst: requests that it may make at once; None for as many as `rate` allows in one second.

    Raises:
        InvalidError: a scope does not exist.
        ConflictError: the name is taken.
    """
    check_scopes(scopes)
    check_rate(rate, burst)
    producer = Producer(
        name=name,
        scopes=sorted(scopes),
        allowed_tasks=sorted(allowed_tasks) if allowed_tasks is not None else None,
        quota=quota,
        sees_payloads=sees_payloads,
        rate=rate,
        burst=burst,
    )
    try:
        with session.begin_nested():
            session.add(producer)
    except IntegrityError:
        msg = f"A producer called {name!r} exists; choose another name"
        raise ConflictError(msg) from None
    return producer


def check_scopes(scopes: Collection[str]) -> None:
    """Refuse an empty collection of scopes, and scopes that do not exist.

    Raises:
        InvalidError: names the unknown scopes.
    """
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown or not scopes:
        msg = f"Unknown scopes {unknown}: give one or more of {', '.join(sorted(SCOPES))}"
        raise InvalidError(msg, {"scopes": [msg]})


def check_rate(rate: float | None, burst: int | None) -> None:
    """Refuse a burst without a rate.

    Raises:
        InvalidError: `burst` is given and `rate` is not.
    """
    if burst is not None and rate is None:
        msg = "A burst needs a rate: the mean number of requests a second"
        raise InvalidError(msg, {"burst": [msg]})


def find_producer(session: Session, name: str) -> Producer | None:
    """Return the producer with this name, or None."""
    return session.scalars(select(Producer).where(Producer.name == name)).one_or_none()


def get_producer(session: Session, producer_id: UUID) -> Producer:
    """Return the producer, locked against changes until the transaction ends.

    Raises:
        NotFoundError: there is none.
    """
    producer = session.get(Producer, producer_id, with_for_update={"key_share": True})
    if producer is None:
        msg = f"No producer {producer_id}: GET /api/v1/producers lists them"
        raise NotFoundError(msg)
    return producer


def list_producers(session: Session, *, limit: int, after: str | None = None) -> Sequence[Producer]:
    """Return at most `limit` producers by name; `after` is the last name of the previous page."""
    query = select(Producer).order_by(Producer.name).limit(limit)
    if after is not None:
        query = query.where(Producer.name > after)
    return session.scalars(query).all()
