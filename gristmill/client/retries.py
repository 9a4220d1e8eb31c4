"""Decide whether and when a request is sent again: full jitter and Retry-After. Nothing here waits."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any, Final

import httpx

from gristmill.client.errors import ApiError, UnreachableError, error_of
from gristmill.client.runtime import Answer

FIRST_PAUSE: Final = 0.2  # seconds
LONGEST_PAUSE: Final = 10.0  # seconds, even when Retry-After asks for more
RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500


class Pauses:
    """Exponential backoff with full jitter.

    Args:
        longest: seconds; no pause is longer.
    """

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self._ceiling = FIRST_PAUSE
        self._longest = longest

    def next(self) -> float:
        """Return the seconds to wait."""
        pause = random.uniform(FIRST_PAUSE / 4, self._ceiling)  # noqa: S311  spread, not secrecy
        self._ceiling = min(self._longest, 2 * self._ceiling)
        return pause


@dataclass(frozen=True)
class Problem:
    """A try that gave no usable answer.

    Attributes:
        error: what is raised when it was the last try.
        may_pass: another try may help.
        retry_after: seconds that the API asked to wait.
        may_have_arrived: the API may have done what was asked.
        is_cut: the patience ended before this try had its time, so that an earlier problem says more.
    """

    error: ApiError | UnreachableError
    may_pass: bool = True
    retry_after: float = 0.0
    may_have_arrived: bool = False
    is_cut: bool = False

    def pause(self, pauses: Pauses) -> float:
        """Return the seconds to wait before the next try."""
        return max(pauses.next(), min(self.retry_after, LONGEST_PAUSE))


class Tries:
    """The tries of one request, until its deadline.

    Args:
        deadline: by `time.monotonic()`.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._pauses = Pauses()
        self._problem: Problem | None = None
        self._may_have_arrived = False

    def add(self, problem: Problem) -> float | None:
        """Note a try that failed, and return the seconds before the next one; None when it was the last."""
        self._may_have_arrived = self._may_have_arrived or problem.may_have_arrived
        if self._problem is None or not problem.is_cut:
            self._problem = problem
        pause = problem.pause(self._pauses)
        return pause if problem.may_pass and time.monotonic() + pause <= self._deadline else None

    @property
    def error(self) -> ApiError | UnreachableError:
        """The error to raise after the last try."""
        assert self._problem is not None  # noqa: S101  there was a try
        self._problem.error.may_have_arrived = self._may_have_arrived
        return self._problem.error


def no_answer(url: str, error: httpx.RequestError, *, is_cut: bool = False) -> Problem:
    """Return the problem of a request that got no complete answer."""
    problem = UnreachableError(f"{url} did not answer ({type(error).__name__}: {error})")
    problem.__cause__ = error
    arrived = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return Problem(problem, may_have_arrived=arrived, is_cut=is_cut and isinstance(error, httpx.TimeoutException))


def read_answer(url: str, answer: Answer) -> Any | Problem:
    """Return the JSON of a successful answer, or its problem."""
    try:
        body = answer.json()
    except ValueError:
        body = None
        if answer.status < _FIRST_ERROR:  # the page of a proxy, or an answer that was cut
            error = UnreachableError(f"{url} answered {answer.status} without JSON: is it the URL of the API?")
            return Problem(error, may_have_arrived=True)
    if answer.status < _FIRST_ERROR:
        return body
    refusal = error_of(answer.status, body)
    return Problem(
        refusal,
        may_pass=answer.status in RETRIED,
        retry_after=_seconds(answer.headers.get("Retry-After")),
        may_have_arrived=answer.status >= _FIRST_SERVER_ERROR and not refusal.is_from_api,
    )


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0  # a date: the backoff is used instead
