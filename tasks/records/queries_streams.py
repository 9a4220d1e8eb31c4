"""Streams: kinds of records, each with the JSON Schema that its data must fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from gristmill.shared.errors import InvalidError
from gristmill.tasks.records.models import Stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

STREAM_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LONGEST_PATH: Final = 100  # characters of a measure's or dimension's path; it is part of an index row of at most 2.7 kB
MOST_PATHS: Final = 50
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DATA_KEYWORDS: Final = frozenset({"const", "default", "enum", "examples"})  # hold data, in which "$ref" means nothing


def put_stream(
    session: Session,
    *,
    name: str,
    json_schema: Mapping[str, Any],
    measures: Sequence[str] = (),
    dimensions: Sequence[str] = (),
) -> None:
    """Write a stream, or replace what it says.

    Args:
        json_schema: JSON Schema, draft 2020-12; its references point into itself.
        measures: dotted paths of the numbers to take from each record.
        dimensions: dotted paths of what the statistics are broken down by.

    Raises:
        InvalidError: `details` has what is wrong, by path.
    """
    problems: dict[str, list[str]] = {}
    if not STREAM_NAME.fullmatch(name):
        problems["name"] = ["use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"]
    for field, paths in (("measures", measures), ("dimensions", dimensions)):
        problems |= {f"{field}.{index}": [why] for index, why in _wrong_paths(paths)}
    problems |= _wrong_schema(json_schema)
    if problems:
        msg = f"The stream {name!r} cannot be stored: see details"
        raise InvalidError(msg, problems)
    values = {"json_schema": dict(json_schema), "measures": list(measures), "dimensions": list(dimensions)}
    session.execute(
        insert(Stream)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=[Stream.name], set_={**values, "updated_at": func.clock_timestamp()})
    )


def _wrong_paths(paths: Sequence[str]) -> Iterator[tuple[int, str]]:
    for index, path in enumerate(paths):
        if index >= MOST_PATHS:
            yield index, f"give at most {MOST_PATHS}"
        elif not all(path.split(".")) or len(path) > LONGEST_PATH:
            yield index, f"give a dotted path such as `engine.temperature`, of at most {LONGEST_PATH} characters"
        elif path in paths[:index]:
            yield index, "is there twice"


def _wrong_schema(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    dialect = schema.get("$schema", _DIALECT)
    if str(dialect).rstrip("#") != _DIALECT:
        return {"json_schema.$schema": [f"only {_DIALECT} is understood; leave it out"]}
    problems: dict[str, list[str]] = {}
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for error in meta.iter_errors(schema):
        path = ".".join(["json_schema", *(str(part) for part in error.absolute_path)])
        problems.setdefault(path, []).append(error.message[:500])
    if problems:
        return problems
    registry: Registry[Any] = Registry()
    resolver = registry.resolver_with_root(DRAFT202012.create_resource(dict(schema)))
    for path, reference in _references(schema, "json_schema"):
        try:
            if not reference.startswith("#"):
                problems[path] = [f"{reference!r} points elsewhere; copy it into $defs and write `#/$defs/…`"]
            else:
                resolver.lookup(reference)
        except Unresolvable:
            problems[path] = [f"{reference!r} is not in this schema"]
    return problems


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


def find_streams(session: Session, names: Collection[str]) -> dict[str, Stream]:
    """Return those of the streams that there are, by name."""
    found = session.scalars(select(Stream).where(Stream.name.in_(names)))
    return {stream.name: stream for stream in found}
