"""When a load test has failed."""

import pytest

from bench.criteria import Criteria, missed

GOOD = {"requests": 1_000, "p95": 120.0, "errors": 0.0, "users": 1_000}


def test_a_load_test_that_reaches_everything_misses_nothing() -> None:
    assert missed(Criteria(), **GOOD) == []  # type: ignore[arg-type]  # one of them is a float


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"p95": 200.0}, "p95"),
        ({"errors": 0.001}, "failed"),
        ({"users": 999}, "users"),
        ({"requests": 0}, "GRISTMILL_URL"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_criterion_that_is_missed_is_told(change: dict[str, float], word: str) -> None:
    (sentence,) = missed(Criteria(), **{**GOOD, **change})  # type: ignore[arg-type]  # the same
    assert word in sentence
