"""Which of some ids are jobs at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_WRITTEN = text("SELECT id FROM jobs WHERE id = ANY(:ids)")


def find_written(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Return those of `ids` that are jobs: the arbiter when nobody knows what became of a COMMIT."""
    return set(session.execute(_WRITTEN, {"ids": list(ids)}).scalars())
