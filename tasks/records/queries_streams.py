"""Define and find streams: kinds of records, each with the JSON Schema of its data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from gristmill.shared.errors import InvalidError
from gristmill.tasks.records.json_schema import find_schema_errors
from gristmill.tasks.records.models import Stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

STREAM_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LONGEST_PATH: Final = 100  # characters of a measure's or dimension's path; it is part of an index row of at most 2.7 kB
MOST_PATHS: Final = 50


def put_stream(
    session: Session,
    *,
    name: str,
    json_schema: Mapping[str, Any],
    measures: Sequence[str] = (),
    dimensions: Sequence[str] = (),
) -> None:
    """Create a stream, or replace its definition.

    Args:
        json_schema: JSON Schema, draft 2020-12; its references point into itself.
        measures: dotted paths of the numbers to extract from each record.
        dimensions: dotted paths of the values that the statistics are broken down by.

    Raises:
        InvalidError: `details` has the problems, by path.
    """
    problems: dict[str, list[str]] = {}
    if not STREAM_NAME.fullmatch(name):
        problems["name"] = ["use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"]
    for field, paths in (("measures", measures), ("dimensions", dimensions)):
        problems |= {f"{field}.{index}": [why] for index, why in _wrong_paths(paths)}
    problems |= find_schema_errors(json_schema)
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


def find_streams(session: Session, names: Collection[str]) -> dict[str, Stream]:
    """Return the streams that exist, by name."""
    found = session.scalars(select(Stream).where(Stream.name.in_(names)))
    return {stream.name: stream for stream in found}
