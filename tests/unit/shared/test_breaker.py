"""A breaker: after a failure nobody asks before the pause is over; an answer closes it."""

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from gristmill.shared.base import outages
from gristmill.shared.base.breaker import LONGEST_PAUSE, Breaker

FIRST = 2.0  # seconds of which a pause lasts half at least


@pytest.fixture
def breaker(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """A breaker of this test's own in the place of the process's."""
    made = Breaker()
    monkeypatch.setattr(outages, "_postgres", made)
    return made


@pytest.fixture
def slow(breaker: Breaker, monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """One whose first pause is not over before it is looked at."""
    monkeypatch.setattr("gristmill.shared.base.breaker.FIRST_PAUSE", FIRST)
    return breaker


def away() -> DBAPIError:
    return OperationalError("SELECT 1", {}, Exception("server closed the connection unexpectedly"))


def test_it_is_closed_until_something_fails_and_again_after_an_answer(slow: Breaker) -> None:
    assert slow.pause == 0
    slow.failed()
    assert 0 < slow.pause <= FIRST
    slow.worked()
    assert slow.pause == 0


def test_its_pauses_grow_up_to_a_limit(breaker: Breaker) -> None:
    pauses = []
    for _ in range(200):
        breaker.failed()
        pauses.append(breaker.pause)
    assert max(pauses[:3]) < max(pauses[10:]) <= LONGEST_PAUSE


def test_the_next_hint_of_an_outage_waits_instead_of_asking_at_once(slow: Breaker) -> None:
    def fail() -> None:
        raise away()

    with pytest.raises(OperationalError):
        outages.patiently(fail, patience=0)
    assert slow.pause > 0
    assert outages.patiently(lambda: slow.pause, patience=60) == 0


def test_however_long_it_is_open_a_hint_asks_once_before_it_is_given_back(breaker: Breaker) -> None:
    for _ in range(30):
        breaker.failed()
    assert outages.patiently(lambda: "there", patience=0.01) == "there"
    assert breaker.pause == 0


def test_a_refusal_is_an_answer_and_is_not_repeated(breaker: Breaker) -> None:
    calls = []

    def act() -> None:
        calls.append(1)
        raise IntegrityError("INSERT", {}, Exception("duplicate key"))

    breaker.failed()
    with pytest.raises(IntegrityError):
        outages.patiently(act, patience=60)
    assert (calls, breaker.pause) == ([1], 0)
