"""A failed try is judged: whether another may help, and whether the API may have done what was asked."""

import time

import httpx
import pytest

from gristmill.client.errors import TooManyError, UnavailableError, UnreachableError
from gristmill.client.retries import LONGEST_PAUSE, Problem, Tries, no_answer, read_answer
from gristmill.client.runtime import Answer

URL = "http://jobs.example.com"
OURS = b'{"error": {"code": "PLATFORM_UNAVAILABLE_001", "message": "away"}}'


@pytest.mark.parametrize(
    ("answer", "error", "may_pass", "may_have_arrived"),
    [
        (Answer(429, {"Retry-After": "3"}, b"{}"), TooManyError, True, False),
        (Answer(503, {}, OURS), UnavailableError, True, False),
        (Answer(504, {}, b"<html>"), UnavailableError, True, True),
        (Answer(501, {}, OURS), UnavailableError, False, False),
        (Answer(200, {}, b'{"id": "01'), UnreachableError, True, True),
    ],
)
def test_an_answer_is_judged(answer: Answer, error: type[Exception], *, may_pass: bool, may_have_arrived: bool) -> None:
    problem = read_answer(URL, answer)
    assert isinstance(problem, Problem)
    assert (type(problem.error), problem.may_pass, problem.may_have_arrived) == (error, may_pass, may_have_arrived)


def test_a_request_whose_connection_was_refused_has_not_arrived_but_an_earlier_try_may_have() -> None:
    tries = Tries(time.monotonic() + 60)
    tries.add(no_answer(URL, httpx.ConnectError("refused")))
    assert not tries.error.may_have_arrived
    tries.add(no_answer(URL, httpx.ReadError("reset")))
    tries.add(no_answer(URL, httpx.ConnectError("refused")))
    assert tries.error.may_have_arrived


def test_a_last_try_that_the_patience_cut_short_does_not_hide_the_problem_before_it() -> None:
    tries = Tries(time.monotonic() + 60)
    tries.add(no_answer(URL, httpx.RemoteProtocolError("garbage")))
    tries.add(no_answer(URL, httpx.ReadTimeout("short"), is_cut=True))
    assert "garbage" in str(tries.error)
    tries.add(no_answer(URL, httpx.ReadTimeout("long")))
    assert "long" in str(tries.error)


def test_the_pause_is_the_one_that_the_api_asked_for_within_bounds() -> None:
    tries = Tries(time.monotonic() + 60)
    assert tries.add(read_answer(URL, Answer(503, {"Retry-After": "3"}, OURS))) == 3.0
    assert tries.add(read_answer(URL, Answer(503, {"Retry-After": "3600"}, OURS))) == LONGEST_PAUSE
    assert Tries(time.monotonic() + 2).add(read_answer(URL, Answer(503, {"Retry-After": "3"}, OURS))) is None
