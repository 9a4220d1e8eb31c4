"""Read the clock of the database, the only one that decides."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_NOW: Final = text("SELECT clock_timestamp()")


def read_clock(session: Session) -> datetime:
    """Return the database's time, in UTC. It advances within a transaction."""
    now: datetime = session.execute(_NOW).scalar_one()
    return now
