"""A wrong field of a posted job is refused, and named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from marshmallow import ValidationError

from gristmill.ingress.schemas.jobs import JobRequest
from gristmill.shared.args import flatten

NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # the same in each process that collects


def at(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).isoformat()


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("task", None, "task"),
        ("task", 5, "task"),
        ("task", "", "task"),
        ("task", "x" * 201, "task"),
        ("args", [], "args"),
        ("args", "{}", "args"),
        ("args", None, "args"),
        ("run_at", "tomorrow", "run_at"),
        ("run_at", 1_700_000_000, "run_at"),
        ("run_at", "2030-01-01T00:00:00", "run_at"),
        ("run_at", "2030-13-01T00:00:00Z", "run_at"),
        ("delay", -1, "delay"),
        ("delay", "5", "delay"),
        ("delay", True, "delay"),
        ("delay", 367 * 86_400, "delay"),
        ("delay", 1e300, "delay"),
        ("priority", "urgent", "priority"),
        ("priority", 1, "priority"),
        ("max_attempts", 0, "max_attempts"),
        ("max_attempts", 101, "max_attempts"),
        ("max_attempts", "3", "max_attempts"),
        ("max_attempts", 2.5, "max_attempts"),
        ("max_attempts", True, "max_attempts"),
        ("unique_key", "", "unique_key"),
        ("unique_key", "k" * 256, "unique_key"),
        ("unique_key", 7, "unique_key"),
        ("callback_url", "example.com", "callback_url"),
        ("callback_url", "ftp://example.com/", "callback_url"),
        ("callback_url", "http://", "callback_url"),
        ("callback_url", "http://[::1", "callback_url"),
        ("callback_url", "http://example.com:99999/", "callback_url"),
        ("callback_url", "http://exa mple.com/", "callback_url"),
        ("callback_url", "http://example.com/\r\nX: y", "callback_url"),
        ("callback_url", "https://user:secret@example.com/", "callback_url"),
        ("callback_url", "https://example.com/" + "x" * 2048, "callback_url"),
        ("tags", "red", "tags"),
        ("tags", ["x"] * 21, "tags"),
        ("tags", ["ok", "x" * 65], "tags.1"),
        ("tags", [""], "tags.0"),
        ("tags", [None], "tags.0"),
        ("state", "succeeded", "state"),
        ("producer_id", "me", "producer_id"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(field: str, value: Any, path: str) -> None:
    with pytest.raises(ValidationError) as refused:
        JobRequest().load({"task": "demo.echo", "args": {}, field: value})
    assert list(flatten(refused.value.messages, "")) == [path]


def test_a_task_is_needed() -> None:
    with pytest.raises(ValidationError, match="task"):
        JobRequest().load({})


def test_run_at_and_delay_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        JobRequest().load({"task": "demo.echo", "run_at": at(hours=1), "delay": 5})


@pytest.mark.parametrize("url", ["http://localhost:8080/x?y=1#z", "https://[::1]/", "https://bücher.example/ä"])
def test_a_url_of_any_host_is_taken(url: str) -> None:
    assert JobRequest().load({"task": "demo.echo", "callback_url": url})["callback_url"] == url
