"""Lists for people who look at the platform: schedules, keys."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from gristmill.shared.producers.models import ApiKey, Producer
from gristmill.shared.schedules.models import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def list_schedules(session: Session, *, limit: int, after: str = "") -> Sequence[Schedule]:
    """Return at most `limit` schedules by name; `after` is the last name of a page."""
    return session.scalars(select(Schedule).where(Schedule.name > after).order_by(Schedule.name).limit(limit)).all()


def list_all_keys(session: Session, *, limit: int, before: datetime | None = None) -> list[tuple[Producer, ApiKey]]:
    """Return at most `limit` keys with their producers, newest first; `before` is the last created_at of a page."""
    query = (
        select(Producer, ApiKey)
        .join(ApiKey, ApiKey.producer_id == Producer.id)
        .order_by(ApiKey.created_at.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(ApiKey.created_at < before)
    return [(row[0], row[1]) for row in session.execute(query)]
