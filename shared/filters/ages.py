"""Filter jobs by the time they were created, through their ids: these begin with the time, so the primary key helps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import and_

from gristmill.shared.filters.comparisons import Greater, Less
from gristmill.shared.jobs.models import Job

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

# Milliseconds: the largest difference between the clock that makes an id and the database's.
CLOCKS_DIFFER: Final = 300_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = 1 << 48  # milliseconds that a UUIDv7 can hold (RFC 9562, 5.7)


class CreatedAfter(Greater):
    """`gt` on `created_at`, limited to the ids that such jobs can have, so that older jobs are not read."""

    def condition(self) -> ColumnElement[bool]:
        return and_(super().condition(), Job.id > _id_at(self.value, -CLOCKS_DIFFER))


class CreatedBefore(Less):
    """`lt` on `created_at`, limited likewise, so that younger jobs are not read."""

    def condition(self) -> ColumnElement[bool]:
        return and_(super().condition(), Job.id < _id_at(self.value, CLOCKS_DIFFER))


def _id_at(moment: datetime, shift: int) -> UUID:
    """Return the first id of a time, shifted by some milliseconds."""
    milliseconds = int((moment - _EPOCH).total_seconds() * 1000) + shift
    return UUID(int=min(max(0, milliseconds), _TIMES - 1) << 80)
