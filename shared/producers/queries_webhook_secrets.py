"""The secrets that a producer's callbacks are signed with, as rows: the current one, and those that go on beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update

from gristmill.shared.database.rows import rows_moved
from gristmill.shared.producers.models import WebhookSecret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sqlalchemy.orm import Session

_IS_GOOD: Final[ColumnElement[bool]] = or_(
    WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > func.clock_timestamp()
)


def list_secrets(session: Session, producer_id: UUID) -> Sequence[WebhookSecret]:
    """Return the secrets of a producer that sign now, newest first: a handful, `webhook_secrets` sees to it."""
    query = select(WebhookSecret).where(WebhookSecret.producer_id == producer_id, _IS_GOOD)
    return session.scalars(query.order_by(WebhookSecret.id.desc())).all()


def has_secret(session: Session, producer_id: UUID) -> bool:
    """Say whether the callbacks of a producer can be signed."""
    return session.scalars(select(exists().where(WebhookSecret.producer_id == producer_id, _IS_GOOD))).one()


def insert_secret(session: Session, producer_id: UUID, sealed: str) -> WebhookSecret:
    """Write a producer's current secret; it must not have one."""
    row = WebhookSecret(producer_id=producer_id, sealed=sealed)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def expire_current(session: Session, producer_id: UUID, *, overlap: timedelta) -> None:
    """Let the current secret go on for `overlap`, and forget those that are over."""
    current = update(WebhookSecret).where(WebhookSecret.producer_id == producer_id, WebhookSecret.expires_at.is_(None))
    session.execute(current.values(expires_at=func.clock_timestamp() + overlap))
    session.execute(delete(WebhookSecret).where(WebhookSecret.producer_id == producer_id, ~_IS_GOOD))


def delete_secrets(session: Session, producer_id: UUID) -> int:
    """Forget every secret of a producer and return how many there were."""
    return rows_moved(session.execute(delete(WebhookSecret).where(WebhookSecret.producer_id == producer_id)))
