"""Producers and their API keys: make, find, revoke."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import CursorResult, and_, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from gristmill.shared.base.principal import ADMIN, SCOPES
from gristmill.shared.errors import ConflictError, InvalidError, NotFoundError
from gristmill.shared.producers.keys import ProducerPrincipal, is_key_id, new_key, read_token
from gristmill.shared.producers.models import ApiKey, Producer

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

USED_EVERY: Final = 60.0  # seconds: no more precise is a key's last use


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
    """Make a producer, without a key yet.

    Args:
        allowed_tasks: the only tasks it may post; None is all.
        quota: the most jobs it may have in flight; None is any number.
        sees_payloads: whether it is shown arguments and results.
        rate: requests a second that it may make; None is any number.
        burst: requests at once; None is what `rate` says of one second.

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
    """Check that `scopes` are some, and exist.

    Raises:
        InvalidError: names those that do not.
    """
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown or not scopes:
        msg = f"Unknown scopes {unknown}: give one or more of {', '.join(sorted(SCOPES))}"
        raise InvalidError(msg, {"scopes": [msg]})


def check_rate(rate: float | None, burst: int | None) -> None:
    """Check that a burst belongs to a rate.

    Raises:
        InvalidError: it does not.
    """
    if burst is not None and rate is None:
        msg = "A burst needs a rate: how many requests a second there may be in the mean"
        raise InvalidError(msg, {"burst": [msg]})


def find_producer(session: Session, name: str) -> Producer | None:
    """Return the producer of this name, or None."""
    return session.scalars(select(Producer).where(Producer.name == name)).one_or_none()


def get_producer(session: Session, producer_id: UUID) -> Producer:
    """Return the producer, and let nobody else change it before the end of the transaction.

    Raises:
        NotFoundError: there is none.
    """
    producer = session.get(Producer, producer_id, with_for_update={"key_share": True})
    if producer is None:
        msg = f"No producer {producer_id}: GET /api/v1/producers lists them"
        raise NotFoundError(msg)
    return producer


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


def find_key(session: Session, key_id: str) -> ApiKey:
    """Return a key, good or not.

    Raises:
        NotFoundError: there is none of this id.
    """
    key = session.get(ApiKey, key_id, with_for_update=True) if is_key_id(key_id) else None
    if key is None:
        msg = f"No key {key_id!r}: `gristmill keys list` shows them"
        raise NotFoundError(msg)
    return key


def get_key(session: Session, producer_id: UUID, key_id: str) -> ApiKey:
    """Return a producer's key, good or not.

    Raises:
        NotFoundError: it has none of this id.
    """
    key = find_key(session, key_id)
    if key.producer_id != producer_id:
        msg = f"No key {key_id!r} of producer {producer_id}"
        raise NotFoundError(msg)
    return key


_IS_GOOD: Final = and_(
    ApiKey.revoked_at.is_(None),
    Producer.disabled_at.is_(None),
    or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp()),
)


def expire_key(session: Session, key: ApiKey, *, overlap: timedelta) -> None:
    """Let a key go on for `overlap` and no longer, if it is good at all."""
    end = func.least(func.coalesce(ApiKey.expires_at, "infinity"), func.clock_timestamp() + overlap)
    session.execute(update(ApiKey).where(ApiKey.id == key.id, ApiKey.revoked_at.is_(None)).values(expires_at=end))
    session.refresh(key)


def count_admin_keys(session: Session) -> int:
    """Return how many good keys of administrators there are; nobody else changes that before the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('gristmill.admin_keys'))"))
    query = select(func.count()).select_from(ApiKey).join(Producer).where(_IS_GOOD, Producer.scopes.contains([ADMIN]))
    return session.scalars(query).one()


def list_keys(session: Session, producer: Producer) -> Sequence[ApiKey]:
    """Return a producer's last hundred keys, newest first."""
    query = select(ApiKey).where(ApiKey.producer_id == producer.id).order_by(ApiKey.created_at.desc()).limit(100)
    return session.scalars(query).all()


def revoke_key(session: Session, key_id: str) -> None:
    """Make a key worthless; processes that have seen it lately follow within `REMEMBERED` seconds.

    Raises:
        NotFoundError: there is no key of this id that was still good.
    """
    query = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    result = session.execute(query.values(revoked_at=func.clock_timestamp()))
    assert isinstance(result, CursorResult)  # noqa: S101  what Session.execute returns for an UPDATE
    if result.rowcount != 1:
        msg = f"No key {key_id!r} that is still good: `gristmill keys list` shows them"
        raise NotFoundError(msg)


def find_producer_by_token(session: Session, token: str) -> ProducerPrincipal | None:
    """Return who stands behind `token`; None when it is unknown, wrong, revoked, over or its producer disabled."""
    key = read_token(token)
    if key is None:
        return None
    query = select(ApiKey, Producer).join(Producer).where(ApiKey.id == key.id, _IS_GOOD)
    row = session.execute(query).one_or_none()
    if row is None or not key.matches(row.ApiKey.secret_hash):
        return None
    session.execute(_USED, {"id": key.id, "seconds": USED_EVERY})
    producer = row.Producer
    return ProducerPrincipal(
        producer_id=producer.id,
        name=producer.name,
        key_id=key.id,
        scopes=frozenset(producer.scopes),
        allowed_tasks=frozenset(producer.allowed_tasks) if producer.allowed_tasks is not None else None,
        quota=producer.quota,
        sees_payloads=producer.sees_payloads,
        rate=producer.rate,
        burst=producer.burst,
    )


# At most one write a key and minute, whatever it is used for; where another process is at it, its word is enough.
_USED: Final = text(
    """
    UPDATE api_keys SET last_used_at = statement_timestamp()
    WHERE id = (SELECT id FROM api_keys
                WHERE id = :id AND (last_used_at IS NULL
                                    OR last_used_at < statement_timestamp() - :seconds * interval '1 second')
                FOR NO KEY UPDATE SKIP LOCKED)
    """
)
