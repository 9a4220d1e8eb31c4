"""Check a stream's JSON Schema (draft 2020-12), and check records against it, without fetching anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from gristmill.tasks.records.models import Stream

MOST_ERRORS: Final = 20  # that are kept of one record
LONGEST_ERROR: Final = 300  # characters; jsonschema repeats the value that is wrong
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DATA_KEYWORDS: Final = frozenset({"const", "default", "enum", "examples"})  # hold data, in which "$ref" means nothing


def find_errors(kind: Stream, data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the first twenty errors of `data`, by path; references of the schema are never fetched."""
    errors: dict[str, list[str]] = {}
    for path, message in islice(_iterate_errors(kind, data), MOST_ERRORS):
        errors.setdefault(path, []).append(message[:LONGEST_ERROR])
    return errors


def _iterate_errors(kind: Stream, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    registry: Registry[Any] = Registry()  # an empty one: the default would fetch references over the network
    validator = Draft202012Validator(
        kind.json_schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    try:
        for error in validator.iter_errors(data):
            yield ".".join(["data", *(str(part) for part in error.absolute_path)]), error.message
    except RecursionError:
        yield "data", "is nested too deeply for its schema (or the schema refers to itself without an end)"


def find_schema_errors(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong with a schema, by path; its references must point into itself."""
    dialect = schema.get("$schema", _DIALECT)
    if str(dialect).rstrip("#") != _DIALECT:
        return {"json_schema.$schema": [f"only {_DIALECT} is understood; leave it out"]}
    problems: dict[str, list[str]] = {}
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for error in meta.iter_errors(schema):
        path = ".".join(["json_schema", *(str(part) for part in error.absolute_path)])
        problems.setdefault(path, []).append(error.message[:500])
    return problems or dict(_wrong_references(schema))


def _wrong_references(schema: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    registry: Registry[Any] = Registry()
    resolver = registry.resolver_with_root(DRAFT202012.create_resource(dict(schema)))
    for path, reference in _references(schema, "json_schema"):
        if not reference.startswith("#"):
            yield path, [f"{reference!r} points elsewhere; copy it into $defs and write `#/$defs/…`"]
            continue
        try:
            resolver.lookup(reference)
        except Unresolvable:
            yield path, [f"{reference!r} is not in this schema"]


def _references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("$ref", "$dynamicRef") and isinstance(inner, str):
                yield f"{path}.{key}", inner
            elif key not in _DATA_KEYWORDS:
                yield from _references(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(inner, f"{path}.{index}")
