"""Create, find, list, expire and revoke API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text, update

from gristmill.shared.base.principal import ADMIN
from gristmill.shared.database.rows import rows_moved
from gristmill.shared.errors import NotFoundError
from gristmill.shared.producers.keys import is_key_id, new_key
from gristmill.shared.producers.models import ApiKey, Producer

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

_LAST_USE_PRECISION: Final = 60.0  # seconds

_IS_VALID: Final = and_(
    ApiKey.revoked_at.is_(None),
    Producer.disabled_at.is_(None),
    or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.clock_timestamp()),
)


def create_key(session: Session, producer: Producer, *, lifetime: timedelta | None = None) -> str:
    """Create a key and return its token. The token cannot be shown again: only its hash is stored.

    Args:
        session: the caller's.
        producer: the key's owner.
        lifetime: the key expires after this time; None for a key that is valid until it is revoked.
    """
    key = new_key()
    row = ApiKey(id=key.id, producer_id=producer.id, secret_hash=key.hash)
    if lifetime is not None:
        row.expires_at = func.clock_timestamp() + lifetime
    session.add(row)
    session.flush()
    return key.token


def find_valid_key(session: Session, key_id: str) -> tuple[ApiKey, Producer] | None:
    """Return a key and its producer; None when it is unknown, revoked or expired, or its producer is disabled."""
    query = select(ApiKey, Producer).join(Producer).where(ApiKey.id == key_id, _IS_VALID)
    row = session.execute(query).one_or_none()
    return None if row is None else (row.ApiKey, row.Producer)


# At most one write a key and minute, however often it is used. A row that another process locks is skipped: that
# process records the same use.
_RECORD_USE: Final = text(
    """
    UPDATE gristmill.api_keys SET last_used_at = statement_timestamp()
    WHERE id = (SELECT id FROM gristmill.api_keys
                WHERE id = :id AND (last_used_at IS NULL
                                    OR last_used_at < statement_timestamp() - :seconds * interval '1 second')
                FOR NO KEY UPDATE SKIP LOCKED)
    """
)


def record_key_use(session: Session, key_id: str) -> None:
    """Record that a key was used now, to the precision of a minute."""
    session.execute(_RECORD_USE, {"id": key_id, "seconds": _LAST_USE_PRECISION})


def find_key(session: Session, key_id: str) -> ApiKey:
    """Return a key, valid or not, locked until the transaction ends.

    Raises:
        NotFoundError: no key has this id.
    """
    key = session.get(ApiKey, key_id, with_for_update=True) if is_key_id(key_id) else None
    if key is None:
        msg = f"No key {key_id!r}: `gristmill keys list` shows them"
        raise NotFoundError(msg)
    return key


def get_key(session: Session, producer_id: UUID, key_id: str) -> ApiKey:
    """Return a producer's key, valid or not, locked until the transaction ends.

    Raises:
        NotFoundError: the producer has no key with this id.
    """
    key = find_key(session, key_id)
    if key.producer_id != producer_id:
        msg = f"No key {key_id!r} of producer {producer_id}"
        raise NotFoundError(msg)
    return key


def list_keys(session: Session, producer: Producer) -> Sequence[ApiKey]:
    """Return a producer's last hundred keys, newest first."""
    query = select(ApiKey).where(ApiKey.producer_id == producer.id).order_by(ApiKey.created_at.desc()).limit(100)
    return session.scalars(query).all()


def count_admin_keys(session: Session) -> int:
    """Return the number of valid keys with the scope admin; no other transaction changes it before this one ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('gristmill.admin_keys', 0))"))
    query = select(func.count()).select_from(ApiKey).join(Producer).where(_IS_VALID, Producer.scopes.contains([ADMIN]))
    return session.scalars(query).one()


def expire_key(session: Session, key: ApiKey, *, overlap: timedelta) -> None:
    """Let a key expire after `overlap`, unless it is revoked or expires earlier."""
    end = func.least(func.coalesce(ApiKey.expires_at, "infinity"), func.clock_timestamp() + overlap)
    session.execute(update(ApiKey).where(ApiKey.id == key.id, ApiKey.revoked_at.is_(None)).values(expires_at=end))
    session.refresh(key)


def revoke_key(session: Session, key_id: str) -> None:
    """Revoke a key; processes that have cached it follow within `REMEMBERED` seconds.

    Raises:
        NotFoundError: no key with this id was unrevoked.
    """
    query = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    if rows_moved(session.execute(query.values(revoked_at=func.clock_timestamp()))) != 1:
        msg = f"No key {key_id!r} that is still good: `gristmill keys list` shows them"
        raise NotFoundError(msg)
