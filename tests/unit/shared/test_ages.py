"""Jobs by the time they were created: the ids that are looked at hold those of clocks that differ a little."""

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy.dialects import postgresql

from gristmill.shared.filters.ages import CreatedAfter, CreatedBefore
from gristmill.shared.operating.job_filter import JOBS

FIELD = JOBS["created_at"]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def id_bound(specification: CreatedAfter | CreatedBefore) -> uuid.UUID:
    compiled = specification.condition().compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    return uuid.UUID(str(next(value for name, value in compiled.params.items() if name.startswith("id"))))


def id_made_at(moment: datetime, random: int) -> uuid.UUID:
    return uuid.UUID(int=(int(moment.timestamp() * 1000) << 80) | random)


@pytest.mark.parametrize("off", [timedelta(minutes=-4), timedelta(0), timedelta(minutes=4)])
def test_an_id_that_was_made_by_a_clock_some_minutes_off_is_looked_at(off: timedelta) -> None:
    assert id_made_at(NOON + off, (1 << 80) - 1) < id_bound(CreatedBefore(FIELD, NOON))
    assert id_made_at(NOON + off, 0) > id_bound(CreatedAfter(FIELD, NOON))


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_times_that_no_id_can_tell_are_bounds_all_the_same(moment: datetime) -> None:
    assert id_bound(CreatedAfter(FIELD, moment)) <= id_bound(CreatedBefore(FIELD, moment))


def test_it_says_of_a_job_what_the_column_says() -> None:
    job = SimpleNamespace(created_at=NOON)
    assert CreatedBefore(FIELD, NOON + timedelta(seconds=1)).is_satisfied_by(job)
    assert not CreatedBefore(FIELD, NOON).is_satisfied_by(job)
