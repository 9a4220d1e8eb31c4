"""What is refused before Celery reads it, as a table."""

from types import SimpleNamespace
from typing import Any

import pytest

from gristmill.workers.celery.consumer import HardenedConsumer, problem_of

GOOD: dict[str, Any] = {"task": "demo.echo", "id": "0198c0de-0000-7000-8000-000000000000", "lang": "py"}


def message(headers: Any, content_type: Any = "application/json") -> SimpleNamespace:
    return SimpleNamespace(headers=headers, content_type=content_type)


@pytest.mark.parametrize(
    "headers",
    [
        GOOD,
        GOOD | {"timelimit": [45, None], "retries": 0, "eta": None},
        GOOD | {"timelimit": [None, None]},
        GOOD | {"timelimit": None},
        GOOD | {"a header of tomorrow": [1, {"x": 2}]},
    ],
)
def test_a_hint_of_ours_passes(headers: dict[str, Any]) -> None:
    assert problem_of(message(headers)) is None


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (None, "no headers"),
        ([], "no headers"),
        ({}, "no task name"),
        (GOOD | {"task": ["demo.echo"]}, "no task name"),
        (GOOD | {"task": ""}, "no task name"),
        (GOOD | {"id": None}, "no id"),
        (GOOD | {"id": 7}, "no id"),
        (GOOD | {"id": "x"}, "not a UUID"),
        (GOOD | {"timelimit": "45"}, "time limits"),
        (GOOD | {"timelimit": ["45", None]}, "time limits"),
        (GOOD | {"timelimit": [45]}, "time limits"),
        (GOOD | {"timelimit": [-1, None]}, "time limits"),
        (GOOD | {"retries": "1"}, "retries"),
        (GOOD | {"eta": "2999-01-01"}, "eta"),
    ],
)
def test_what_cannot_be_a_hint_of_ours_is_named(headers: Any, problem: str) -> None:
    assert problem in (problem_of(message(headers)) or "")


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-python-serialize"])
def test_only_json_passes(content_type: str | None) -> None:
    assert "instead of application/json" in (problem_of(message(GOOD, content_type)) or "")


def test_no_step_declares_celerys_delayed_delivery() -> None:
    assert not [step for step in HardenedConsumer.Blueprint.default_steps if "delayed_delivery" in step]
