"""Retry policy, and the pure decision whether and when a failed attempt is followed by another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gristmill.shared.errors import PermanentError, TransientError, WorkerLostError
from gristmill.shared.states import DeadReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The number of attempts of a job, and the waits between them.

    The wait after attempt n is drawn evenly from 0 to `first_delay * factor**(n-1)`, at most `max_delay`: exponential
    back-off with full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The
    defaults are the 2ⁿ seconds of three attempts.

    Args:
        max_attempts: executions in all, 1 to 100; crashes of the worker count.
        give_up_on: errors that no later attempt can mend, beside `PermanentError`.
    """

    max_attempts: int = 3
    first_delay: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    max_delay: timedelta = timedelta(hours=1)
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            ValueError: with the option, its value and its bounds.
        """
        if not 1 <= self.max_attempts <= 100:  # noqa: PLR2004  the bound is stated in the message
            msg = f"max_attempts={self.max_attempts}: give a number from 1 to 100"
            raise ValueError(msg)
        if self.first_delay < timedelta(0) or self.max_delay < self.first_delay:
            msg = f"first_delay={self.first_delay}, max_delay={self.max_delay}: give 0 <= first_delay <= max_delay"
            raise ValueError(msg)
        if self.factor < 1:
            msg = f"factor={self.factor}: give a number from 1 (constant waits) upwards"
            raise ValueError(msg)

    def ceiling(self, attempt: int) -> timedelta:
        """Return the longest wait after attempt number `attempt` (from 1)."""
        try:
            wait = self.first_delay.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            return self.max_delay
        return timedelta(seconds=min(wait, self.max_delay.total_seconds()))


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more after `delay`."""

    delay: timedelta


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt, for `reason`."""

    reason: DeadReason


def decide(
    policy: RetryPolicy, *, attempt: int, max_attempts: int, error: BaseException, jitter: float
) -> Again | GiveUp:
    """Decide what follows a failed attempt.

    Args:
        policy: the task's.
        attempt: the number of the attempt that failed, from 1.
        max_attempts: the job's own limit (the policy's, unless the producer or a redrive changed it).
        error: what it failed with.
        jitter: a number drawn evenly from [0, 1).
    """
    if isinstance(error, (PermanentError, *policy.give_up_on)):
        return GiveUp(DeadReason.PERMANENT)
    if attempt >= max_attempts:
        return GiveUp(DeadReason.CRASH_LOOP if isinstance(error, WorkerLostError) else DeadReason.EXHAUSTED)
    delay = policy.ceiling(attempt) * jitter
    if isinstance(error, TransientError) and error.retry_after is not None:
        delay = max(delay, error.retry_after)
    return Again(delay)
