"""Describe a task: the JSON Schema of its arguments, an example, its queue, retry policy and limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

if TYPE_CHECKING:
    from marshmallow import Schema

    from gristmill.shared.retry import RetryPolicy
    from gristmill.shared.task import Task

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_FORMATS: Final = {
    "email": "ada@example.com",
    "uuid": "019a0000-0000-7000-8000-000000000000",
    "date-time": "2030-01-01T00:00:00Z",
    "date": "2030-01-01",
    "time": "12:00:00",
    "url": "https://example.com/",
    "uri": "https://example.com/",
}


def describe_task(task: Task) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/tasks/{name}`."""
    return {
        "name": task.name,
        "summary": task.summary,
        "queue": task.queue.name,
        "effects": task.effects,
        "time_limit": task.time_limit.total_seconds(),
        "retry": _describe_retry(task.retry),
        "args": {"$schema": DIALECT} | args_schema(task),
    }


def _describe_retry(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "max_attempts": policy.max_attempts,
        "first_delay": policy.first_delay.total_seconds(),
        "factor": policy.factor,
        "max_delay": policy.max_delay.total_seconds(),
    }


@cache
def args_schema(task: Task) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a task's arguments; secret ones are `writeOnly`."""
    schema = to_json_schema(task.schema)
    for name in task.secret_args:
        schema["properties"][name]["writeOnly"] = True
    return schema


def to_json_schema(schema: Schema) -> dict[str, Any]:
    """Return the JSON Schema of a marshmallow schema, with nested schemas inlined."""
    plugin = MarshmallowPlugin(schema_name_resolver=_without_name)
    APISpec("schemas", "1", "3.1.0", plugins=[plugin])  # sets the dialect of the plugin
    converter: Any = plugin.converter
    made: dict[str, Any] = converter.schema2jsonschema(schema)
    for one in made.get("properties", {}).values():
        # For a list with ContainsOnly, apispec puts the allowed values on the list itself, instead of its entries.
        if one.get("type") == "array" and "enum" in one:
            one["items"]["enum"] = one.pop("enum")
    return made


def _without_name(_schema: type[Schema]) -> str:
    """Return no name: a named schema would become a reference into a document that does not exist."""
    return ""


def example_of(schema: dict[str, Any]) -> Any:
    """Return a value that `schema` accepts: its own example, or one built from its properties."""
    for name in ("example", "const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = schema.get("type", "object")
    return _EXAMPLE_OF_TYPE[kinds[0] if isinstance(kinds, list) else kinds](schema)


def _example_object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    shown = [name for name, one in properties.items() if name in schema.get("required", ()) or "example" in one]
    return {name: example_of(properties[name]) for name in shown}


def _example_array(schema: dict[str, Any]) -> list[Any]:
    return [example_of(schema.get("items", {"type": "string"}))] * schema.get("minItems", 0)


def _example_number(schema: dict[str, Any]) -> Any:
    return schema.get("minimum", 1)


def _example_text(schema: dict[str, Any]) -> str:
    return _FORMATS.get(schema.get("format", ""), "text".ljust(schema.get("minLength", 0), "."))


_EXAMPLE_OF_TYPE: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "object": _example_object,
    "array": _example_array,
    "integer": _example_number,
    "number": _example_number,
    "boolean": lambda _schema: True,
    "null": lambda _schema: None,
    "string": _example_text,
}
