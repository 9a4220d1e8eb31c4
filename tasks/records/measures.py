"""Extract the measures and dimensions from the data of a record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

LARGEST_MEASURE: Final = 1e150  # the statistics square the values, and a double ends at 1.8e308
LARGEST_DIMENSIONS: Final = 1_500  # bytes as JSON: they are part of a key, and an index row holds 2.7 kB

_ABSENT: Final = object()


def take_measures(data: Mapping[str, Any], paths: Sequence[str]) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Return the numbers at the dotted `paths`, and what is wrong with some, by path.

    A measure that is missing, or is no number, is left out: the JSON Schema decides whether it is required.
    """
    measures: dict[str, float] = {}
    problems: dict[str, list[str]] = {}
    for path in paths:
        value = _value_at(data, path)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if not math.isfinite(value) or abs(value) > LARGEST_MEASURE:
            problems[path] = [f"is too large for a measure: at most {LARGEST_MEASURE:g}"]
        else:
            measures[path] = float(value)
    return measures, problems


def take_dimensions(data: Mapping[str, Any], paths: Sequence[str]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the values at the dotted `paths`, and what is wrong with them; a missing dimension is left out."""
    dimensions: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for path in paths:
        value = _value_at(data, path)
        if value is _ABSENT:
            continue
        if isinstance(value, (dict, list)):
            problems[path] = ["is a dimension: it must be a text, a number, true, false or null"]
        elif isinstance(value, float) and value.is_integer():
            dimensions[path] = int(value)  # 1 and 1.0 are one group
        else:
            dimensions[path] = value
    if not problems and len(orjson.dumps(dimensions, default=str)) > LARGEST_DIMENSIONS:
        problems["/".join(paths)] = [f"together the dimensions must have at most {LARGEST_DIMENSIONS} bytes as JSON"]
    return dimensions, problems


def _value_at(data: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return _ABSENT
        data = data[part]
    return data
