"""Count and list the effects of the demo tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gristmill.tasks.demo.models import DemoEffect

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def count_demo_effects(session: Session, key: str) -> int:
    """Return the number of effects under `key`."""
    return session.scalars(select(func.count()).select_from(DemoEffect).where(DemoEffect.key == key)).one()


def list_demo_effects(session: Session, key: str, *, limit: int) -> Sequence[DemoEffect]:
    """Return at most `limit` effects under `key`, oldest first."""
    return session.scalars(select(DemoEffect).where(DemoEffect.key == key).order_by(DemoEffect.id).limit(limit)).all()
