"""Measures and dimensions are extracted from a record."""

from typing import Any

import pytest

from gristmill.tasks.records.measures import take_dimensions, take_measures

DATA: dict[str, Any] = {
    "t": 21,
    "on": True,
    "name": "x",
    "huge": 1e200,
    "engine": {"rpm": 900.5, "site": "north", "parts": ["a"], "count": 2.0, "none": None},
}


@pytest.mark.parametrize(
    ("paths", "measures"),
    [
        (["t"], {"t": 21.0}),
        (["engine.rpm", "t"], {"engine.rpm": 900.5, "t": 21.0}),
        (["missing", "engine.missing", "name.deeper", "t.deeper"], {}),
        (["on", "name", "engine", "engine.parts", "engine.none"], {}),
    ],
)
def test_measures_are_the_numbers_that_are_there(paths: list[str], measures: dict[str, float]) -> None:
    assert take_measures(DATA, paths) == (measures, {})


def test_a_number_that_no_statistics_could_hold_is_an_error_at_its_path() -> None:
    measures, problems = take_measures(DATA, ["t", "huge"])
    assert measures == {"t": 21.0}
    assert list(problems) == ["huge"]


def test_dimensions_are_scalars_and_equal_numbers_are_one_group() -> None:
    dimensions, problems = take_dimensions(DATA, ["engine.site", "engine.count", "on", "engine.none", "missing"])
    assert dimensions == {"engine.site": "north", "engine.count": 2, "on": True, "engine.none": None}
    assert repr(dimensions["engine.count"]) == "2"
    assert not problems


def test_a_dimension_that_is_no_scalar_or_too_long_is_an_error() -> None:
    assert list(take_dimensions(DATA, ["engine.parts"])[1]) == ["engine.parts"]
    assert take_dimensions({"a": "x" * 2_000}, ["a"])[1]
