"""Create and change producers, issue, rotate and revoke their keys, and record it in the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import func

from gristmill.shared.audit.queries import record_act
from gristmill.shared.errors import ConflictError
from gristmill.shared.producers import queries, queries_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gristmill.shared.producers.models import ApiKey, Producer

OVERLAP: Final = timedelta(hours=24)  # a rotated key stays valid for so long
_LAST: Final = (
    "This would leave no good key with the scope admin, and nobody could make one over HTTP; make another first "
    "(or use `gristmill keys revoke --force` on the machine)"
)


def make_producer(session: Session, *, actor: str, **wanted: Any) -> Producer:
    """Create a producer; `wanted` is what `gristmill.shared.producers.queries.create_producer` takes.

    Raises:
        InvalidError: a scope does not exist.
        ConflictError: the name is taken.
    """
    producer = queries.create_producer(session, wanted.pop("name"), wanted.pop("scopes"), **wanted)
    session.refresh(producer)
    record_act(session, actor=actor, action="producer.create", subject=f"producer:{producer.id}", name=producer.name)
    return producer


def change_producer(session: Session, producer_id: UUID, *, actor: str, changes: Mapping[str, Any]) -> Producer:
    """Change what a producer may do; `enabled` false disables all its keys until it is true again.

    Raises:
        NotFoundError: there is no such producer.
        InvalidError: a scope does not exist.
        ConflictError: no valid admin key would be left.
    """
    admins = queries_keys.count_admin_keys(session)
    producer = queries.get_producer(session, producer_id)
    if "scopes" in changes:
        queries.check_scopes(changes["scopes"])
    for name, value in changes.items():
        if name == "enabled":
            producer.disabled_at = None if value else (producer.disabled_at or func.clock_timestamp())
        else:
            setattr(producer, name, sorted(value) if isinstance(value, list) else value)
    queries.check_rate(producer.rate, producer.burst)
    session.flush()
    session.refresh(producer)
    _keep_an_admin(session, before=admins)
    record_act(session, actor=actor, action="producer.change", subject=f"producer:{producer.id}", **dict(changes))
    return producer


def issue_key(
    session: Session, producer_id: UUID, *, actor: str, lifetime: timedelta | None = None
) -> tuple[ApiKey, str]:
    """Issue another key to a producer. Returns it and its token, which cannot be shown again.

    Raises:
        NotFoundError: there is no such producer.
    """
    producer = queries.get_producer(session, producer_id)
    token = queries_keys.create_key(session, producer, lifetime=lifetime)
    key = queries_keys.get_key(session, producer.id, token.split("_")[1])
    record_act(session, actor=actor, action="key.create", subject=f"key:{key.id}", producer=producer.name)
    return key, token


def rotate_key(
    session: Session,
    producer_id: UUID,
    key_id: str,
    *,
    actor: str,
    overlap: timedelta = OVERLAP,
    lifetime: timedelta | None = None,
) -> tuple[ApiKey, str]:
    """Replace a key by a new one; the old one stays valid for `overlap`. Returns the new one and its token.

    Raises:
        NotFoundError: the producer has no such key.
        ConflictError: the key was revoked.
    """
    old = queries_keys.get_key(session, producer_id, key_id)
    if old.revoked_at is not None:
        msg = f"The key {key_id} was revoked: make a new one instead"
        raise ConflictError(msg)
    queries_keys.expire_key(session, old, overlap=overlap)
    key, token = issue_key(session, producer_id, actor=actor, lifetime=lifetime)
    record_act(session, actor=actor, action="key.rotate", subject=f"key:{old.id}", successor=key.id)
    return key, token


def revoke(session: Session, producer_id: UUID, key_id: str, *, actor: str, force: bool = False) -> ApiKey:
    """Revoke a key, within seconds everywhere. Repeating is harmless.

    Raises:
        NotFoundError: the producer has no such key.
        ConflictError: it is the last valid key with the scope admin, and `force` is false.
    """
    admins = queries_keys.count_admin_keys(session)
    key = queries_keys.get_key(session, producer_id, key_id)
    if key.revoked_at is None:
        queries_keys.revoke_key(session, key_id)
        session.refresh(key)
        if not force:
            _keep_an_admin(session, before=admins)
        record_act(session, actor=actor, action="key.revoke", subject=f"key:{key.id}")
    return key


def _keep_an_admin(session: Session, *, before: int) -> None:
    if before and not queries_keys.count_admin_keys(session):
        raise ConflictError(_LAST)
