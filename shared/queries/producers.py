"""Producers and their API keys: make, find, revoke."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from shared.errors import ConflictError, InvalidError, NotFoundError
from shared.keys import SCOPES, Principal, new_key, read_token
from shared.models.producers import ApiKey, Producer

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session


def create_producer(
    session: Session, name: str, scopes: Collection[str], *, allowed_tasks: Collection[str] | None = None
) -> Producer:
    """Make a producer, without a key yet.

    Args:
        allowed_tasks: the only tasks it may post; None is all.

    Raises:
        InvalidError: a scope does not exist.
        ConflictError: the name is taken.
    """
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        msg = f"Unknown scopes {unknown}: give one or more of {', '.join(sorted(SCOPES))}"
        raise InvalidError(msg, {"scopes": [msg]})
    producer = Producer(
        name=name, scopes=sorted(scopes), allowed_tasks=sorted(allowed_tasks) if allowed_tasks is not None else None
    )
    try:
        with session.begin_nested():
            session.add(producer)
    except IntegrityError:
        msg = f"A producer called {name!r} exists; choose another name"
        raise ConflictError(msg) from None
    return producer


def find_producer(session: Session, name: str) -> Producer | None:
    """Return the producer of this name, or None."""
    return session.scalars(select(Producer).where(Producer.name == name)).one_or_none()


def list_producers(session: Session, *, limit: int = 100, after: str = "") -> Sequence[Producer]:
    """Return at most `limit` producers by name; `after` is the last name of a page."""
    return session.scalars(select(Producer).where(Producer.name > after).order_by(Producer.name).limit(limit)).all()


def create_key(session: Session, producer: Producer, *, lifetime: timedelta | None = None) -> str:
    """Make a key and return its token. This is the only time that anybody can see it.

    Args:
        lifetime: how long it is good for; None is until it is revoked.
    """
    key = new_key()
    row = ApiKey(id=key.id, producer_id=producer.id, secret_hash=key.hash)
    if lifetime is not None:
        row.expires_at = func.clock_timestamp() + lifetime
    session.add(row)
    session.flush()
    return key.token


def list_keys(session: Session, producer: Producer) -> Sequence[ApiKey]:
    """Return a producer's last hundred keys, newest first."""
    query = select(ApiKey).where(ApiKey.producer_id == producer.id).order_by(ApiKey.created_at.desc()).limit(100)
    return session.scalars(query).all()


def revoke_key(session: Session, key_id: str) -> None:
    """Make a key worthless; processes that have seen it lately follow within `ingress.auth.REMEMBERED` seconds.

    Raises:
        NotFoundError: there is no key of this id that was still good.
    """
    query = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    result = session.execute(query.values(revoked_at=func.clock_timestamp()))
    assert isinstance(result, CursorResult)  # noqa: S101  what Session.execute returns for an UPDATE
    if result.rowcount != 1:
        msg = f"No key {key_id!r} that is still good: `gristmill keys list` shows them"
        raise NotFoundError(msg)


def find_producer_by_token(session: Session, token: str) -> Principal | None:
    """Return who stands behind `token`; None when it is unknown, wrong, revoked, over or its producer disabled."""
    key = read_token(token)
    if key is None:
        return None
    query = (
        select(ApiKey.secret_hash, Producer.id, Producer.name, Producer.scopes, Producer.allowed_tasks)
        .join(Producer, Producer.id == ApiKey.producer_id)
        .where(
            ApiKey.id == key.id,
            ApiKey.revoked_at.is_(None),
            Producer.disabled_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp()),
        )
    )
    row = session.execute(query).one_or_none()
    if row is None or not key.matches(row.secret_hash):
        return None
    return _principal(key.id, row.id, row.name, row.scopes, row.allowed_tasks)


def _principal(
    key_id: str, producer_id: UUID, name: str, scopes: Collection[str], allowed_tasks: Collection[str] | None
) -> Principal:
    return Principal(
        producer_id=producer_id,
        name=name,
        key_id=key_id,
        scopes=frozenset(scopes),
        allowed_tasks=frozenset(allowed_tasks) if allowed_tasks is not None else None,
    )
