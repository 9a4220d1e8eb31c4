"""The retry decision as a table, and the bounds of the wait for every policy that can be written."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.shared.errors import PermanentError, TransientError, WorkerLostError
from gristmill.shared.retry import Again, GiveUp, RetryPolicy, decide
from gristmill.shared.states import DeadReason

POLICY = RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2), give_up_on=(KeyError,))
FIVE_MINUTES = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("attempt", "error", "jitter", "expected"),
    [
        (1, ValueError("x"), 0.0, Again(timedelta(0))),
        (1, ValueError("x"), 0.5, Again(timedelta(seconds=1))),
        (2, ValueError("x"), 0.5, Again(timedelta(seconds=2))),
        (2, SystemExit(1), 0.5, Again(timedelta(seconds=2))),
        (1, TransientError("x"), 0.5, Again(timedelta(seconds=1))),
        (1, TransientError("x", retry_after=FIVE_MINUTES), 0.5, Again(FIVE_MINUTES)),
        (1, TransientError("x", retry_after=timedelta(0)), 0.5, Again(timedelta(seconds=1))),
        (1, WorkerLostError("x"), 0.5, Again(timedelta(seconds=1))),
        (3, ValueError("x"), 0.5, GiveUp(DeadReason.EXHAUSTED)),
        (4, ValueError("x"), 0.5, GiveUp(DeadReason.EXHAUSTED)),
        (3, TransientError("x", retry_after=FIVE_MINUTES), 0.5, GiveUp(DeadReason.EXHAUSTED)),
        (3, WorkerLostError("x"), 0.5, GiveUp(DeadReason.CRASH_LOOP)),
        (1, PermanentError("x"), 0.5, GiveUp(DeadReason.PERMANENT)),
        (3, PermanentError("x"), 0.5, GiveUp(DeadReason.PERMANENT)),
        (1, KeyError("x"), 0.5, GiveUp(DeadReason.PERMANENT)),
    ],
)
def test_a_failed_attempt_is_followed_by(
    attempt: int, error: BaseException, jitter: float, expected: Again | GiveUp
) -> None:
    assert decide(POLICY, attempt=attempt, max_attempts=3, error=error, jitter=jitter) == expected


def test_the_jobs_own_limit_counts_and_not_the_policys() -> None:
    error = ValueError("x")
    assert isinstance(decide(POLICY, attempt=7, max_attempts=8, error=error, jitter=0), Again)
    assert isinstance(decide(POLICY, attempt=1, max_attempts=1, error=error, jitter=0), GiveUp)


@given(
    first=st.floats(0, 1e4),
    factor=st.floats(1, 1e6),
    extra=st.floats(0, 1e5),
    attempt=st.integers(1, 99),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_longer_than_its_ceiling(
    first: float, factor: float, extra: float, attempt: int, jitter: float
) -> None:
    longest = timedelta(seconds=first) + timedelta(seconds=extra)
    policy = RetryPolicy(max_attempts=100, first_delay=timedelta(seconds=first), factor=factor, max_delay=longest)
    decision = decide(policy, attempt=attempt, max_attempts=100, error=ValueError("x"), jitter=jitter)
    assert isinstance(decision, Again)
    assert timedelta(0) <= decision.delay <= policy.ceiling(attempt) <= longest
    assert policy.ceiling(attempt) <= policy.ceiling(attempt + 1)


def test_the_default_is_three_attempts_and_2_to_the_n_seconds() -> None:
    policy = RetryPolicy()
    assert policy.max_attempts == 3
    assert [policy.ceiling(attempt).total_seconds() for attempt in (1, 2, 3)] == [2, 4, 8]
    assert policy.ceiling(99_999) == policy.max_delay


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_attempts": 0}, "max_attempts=0"),
        ({"max_attempts": 101}, "max_attempts=101"),
        ({"first_delay": timedelta(seconds=-1)}, "first_delay=-1 day"),
        ({"first_delay": timedelta(hours=2)}, "max_delay=1:00:00"),
        ({"factor": 0.5}, "factor=0.5"),
    ],
)
def test_a_policy_that_could_not_be_meant_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RetryPolicy(**options)
