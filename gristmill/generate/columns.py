"""Read the columns of a new table and the arguments of a new task: `number:text paid_at:timestamp?`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, NamedTuple

from gristmill.generate.errors import GenerateError
from gristmill.generate.names import check_word

LINE: Final = 100  # the line length of a project, as its pyproject.toml says


class Kind(NamedTuple):
    """A type of columns and arguments.

    Attributes:
        python: what Python calls it.
        column: SQLAlchemy's type.
        field: marshmallow's field, without `required`.
        sample: a value for a test, as Python writes it.
        imports: what `python` needs.
    """

    python: str
    column: str
    field: str
    sample: str
    imports: str = ""


KINDS: Final = {
    "text": Kind("str", "Text()", "fields.String(validate=Length(1, 200), {})", '"a text"'),
    "integer": Kind("int", "Integer()", "fields.Integer(strict=True, {})", "3"),
    "bigint": Kind("int", "BigInteger()", "fields.Integer(strict=True, {})", "3"),
    "decimal": Kind("Decimal", "Numeric(12, 2)", "fields.Decimal({})", '"9.90"', "from decimal import Decimal"),
    "boolean": Kind("bool", "Boolean()", "fields.Boolean({})", "True"),
    "date": Kind("date", "Date()", "fields.Date({})", '"2026-03-02"', "from datetime import date"),
    "timestamp": Kind(
        "datetime",
        "DateTime(timezone=True)",
        "fields.AwareDateTime({})",
        '"2026-03-02T07:30:00+01:00"',
        "from datetime import datetime",
    ),
    "uuid": Kind(
        "UUID", "Uuid()", "fields.UUID({})", '"0b0f7c9e-58a3-4b52-9d1f-3a2f6c1e7d44"', "from uuid import UUID"
    ),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a new table, or an argument of a new task."""

    name: str
    kind: Kind
    optional: bool

    @property
    def annotation(self) -> str:
        """Its type in Python."""
        return f"{self.kind.python} | None" if self.optional else self.kind.python

    @property
    def field(self) -> str:
        """Its field in a schema."""
        return self.kind.field.format("load_default=None" if self.optional else "required=True")

    @property
    def parameter(self) -> str:
        """Itself among the parameters of a handler."""
        return f"{self.name}: {self.annotation}{' = None' if self.optional else ''}"


def read_columns(words: Iterable[str], *, taken: Sequence[str] = ()) -> list[Column]:
    """Return the columns that words like `number:text` and `paid_at:timestamp?` describe.

    Raises:
        GenerateError: a word is no name and type, or a name is taken.
    """
    columns: list[Column] = []
    for word in words:
        column = _read(word)
        if column.name in (*taken, *(each.name for each in columns)):
            msg = f"{word}: there is a column {column.name} already; choose another name"
            raise GenerateError(msg)
        columns.append(column)
    return columns


def imports_of(columns: Iterable[Column], *more: str) -> str:
    """Return the import lines that the types need, sorted, those of one module together."""
    lines = {each.kind.imports for each in columns if each.kind.imports} | set(more)
    names: dict[str, list[str]] = {}
    for line in lines:
        _, module, _, name = line.split()
        names.setdefault(module, []).append(name)
    return "".join(import_line(module, names[module]) for module in sorted(names))


def import_line(module: str, names: Iterable[str]) -> str:
    """Return a line that imports names, sorted; several lines when it would be too long."""
    ordered = sorted(names, key=lambda name: (not name[0].isupper(), name))
    line = f"from {module} import {', '.join(ordered)}\n"
    if len(line) <= LINE + 1:
        return line
    return "".join([f"from {module} import (\n", *(f"    {name},\n" for name in ordered), ")\n"])


def _read(word: str) -> Column:
    name, _, kind = word.partition(":")
    optional, kind = kind.endswith("?"), kind.removesuffix("?")
    check_word(name, "a column", "number:text")
    if kind not in KINDS:
        close = get_close_matches(kind, KINDS, n=1)
        meant = f"did you mean {name}:{close[0]}? " if close else ""
        msg = f"{word}: {meant}write the type behind the name: {', '.join(f'{name}:{each}' for each in KINDS)}"
        raise GenerateError(f"{msg}; {name}:text? may be absent")
    return Column(name, KINDS[kind], optional)
