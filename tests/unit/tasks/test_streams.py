"""A stream that cannot work is refused before anything is stored."""

from typing import Any, cast

import pytest
from sqlalchemy.orm import Session

from gristmill.shared.errors import InvalidError
from gristmill.tasks.records.json_schema import find_errors
from gristmill.tasks.records.models import Stream
from gristmill.tasks.records.queries_streams import put_stream


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ({"name": "No Spaces"}, "name"),
        ({"json_schema": {"type": "strin"}}, "json_schema.type"),
        ({"json_schema": {"properties": {"a": {"minimum": "x"}}}}, "json_schema.properties.a.minimum"),
        ({"json_schema": {"properties": {"a": {"pattern": "("}}}}, "json_schema.properties.a.pattern"),
        ({"json_schema": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "json_schema.$schema"),
        ({"json_schema": {"$ref": "https://example.com/schema"}}, "json_schema.$ref"),
        ({"json_schema": {"items": {"$ref": "#/$defs/none"}}}, "json_schema.items.$ref"),
        ({"measures": ["a..b"]}, "measures.0"),
        ({"measures": ["a", "a"]}, "measures.1"),
        ({"dimensions": ["x" * 101]}, "dimensions.0"),
    ],
)
def test_a_stream_that_could_not_work_is_refused_by_path(stream: dict[str, Any], path: str) -> None:
    given = {"name": "engines", "json_schema": {"type": "object"}} | stream
    with pytest.raises(InvalidError) as refused:
        put_stream(cast("Session", None), **given)  # nothing is sent before everything is checked
    assert path in refused.value.details


def test_nothing_is_fetched_and_nothing_runs_away_when_a_record_is_checked() -> None:
    endless = Stream(name="s", json_schema={"$ref": "#"}, measures=[], dimensions=[])
    assert list(find_errors(endless, {"a": 1})) == ["data"]


def test_errors_are_told_by_path_and_bounded() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}, "at": {"format": "date"}}, "required": ["b"]}
    stream = Stream(name="s", json_schema=schema, measures=[], dimensions=[])
    errors = find_errors(stream, {"a": [1] * 100, "at": "soon"})
    assert "data.a.0" in errors
    assert sum(len(messages) for messages in errors.values()) == 20
