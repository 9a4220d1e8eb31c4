"""Count and list the effects of the demo tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, insert, select

from gristmill.tasks.demo.models import DemoEffect

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def count_demo_effects(session: Session, key: str) -> int:
    """Return the number of effects under `key`."""
    return session.scalars(select(func.count()).select_from(DemoEffect).where(DemoEffect.key == key)).one()


def insert_demo_effect(session: Session, *, key: str, job_id: UUID, attempt: int) -> None:
    """Write one effect at once, not at the end of the transaction."""
    session.execute(insert(DemoEffect).values(key=key, job_id=job_id, attempt=attempt))


def list_demo_effects(session: Session, key: str, *, limit: int) -> Sequence[DemoEffect]:
    """Return at most `limit` effects under `key`, oldest first."""
    return session.scalars(select(DemoEffect).where(DemoEffect.key == key).order_by(DemoEffect.id).limit(limit)).all()
