"""Times that a job may have: not over, not absurdly far away, and never a crash on the edges of the calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from gristmill.ingress.accepting.start_and_expiry import check_start_and_expiry
from gristmill.ingress.schemas.jobs import JobRequest
from gristmill.shared.errors import InvalidError

LAST = "9999-12-31T23:59:59-14:00"
FIRST = "0001-01-01T00:00:00+14:00"


def at(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def look_at(run_at: str | None = None, delay: float | None = None, expires_at: str | None = None) -> None:
    """Check times as they come from a body."""
    given = {"run_at": run_at, "delay": delay, "expires_at": expires_at}
    loaded = JobRequest().load({"task": "demo.echo"} | {name: value for name, value in given.items() if value})
    check_start_and_expiry(loaded.get("run_at"), loaded.get("delay"), loaded.get("expires_at"))


@pytest.mark.parametrize("run_at", [LAST, {"days": 400}])
def test_a_start_beyond_a_year_is_refused(run_at: str | dict[str, float]) -> None:
    with pytest.raises(InvalidError) as refused:
        look_at(run_at=run_at if isinstance(run_at, str) else at(**run_at))
    assert list(refused.value.details) == ["run_at"]


@pytest.mark.parametrize("expires_at", [LAST, FIRST, {"seconds": -1}, {"days": 3000}])
def test_an_expiry_that_is_over_or_absurd_is_refused(expires_at: str | dict[str, float]) -> None:
    with pytest.raises(InvalidError) as refused:
        look_at(expires_at=expires_at if isinstance(expires_at, str) else at(**expires_at))
    assert list(refused.value.details) == ["expires_at"]


def test_a_job_cannot_expire_before_it_may_run() -> None:
    with pytest.raises(InvalidError) as late:
        look_at(run_at=at(hours=2), expires_at=at(hours=1))
    with pytest.raises(InvalidError) as delayed:
        look_at(delay=7200, expires_at=at(hours=1))
    assert "only expire" in str(late.value.details)
    assert "only expire" in str(delayed.value.details)


@pytest.mark.parametrize("run_at", [FIRST, "1999-01-01T00:00:00Z", {"days": 365}])
def test_a_start_in_the_past_or_within_a_year_is_taken(run_at: str | dict[str, float]) -> None:
    look_at(run_at=run_at if isinstance(run_at, str) else at(**run_at))
