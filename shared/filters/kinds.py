"""Kinds of fields: the operators that each has, and how a value of a filter is read from JSON."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

STORABLE: Final = r"^[^\u0000]*$"  # text that Postgres can store, as a pattern of JSON Schema
LONGEST_TEXT: Final = 255  # characters; no text that jobs are filtered by may be longer
LARGEST_NUMBER: Final = 2**31 - 1

_EQUALITY: Final = ("eq", "ne", "in")
_ORDER: Final = ("gt", "lt", "between")


class Kind(Protocol):
    """The kind of values that a field holds."""

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators that compare its values; `is_null` depends on the field: it may be empty or not."""

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of one value."""

    def read(self, value: Any) -> Any:
        """Return the value to compare with.

        Raises:
            ValueError: says which values the field takes.
        """


@dataclass(frozen=True, slots=True)
class TextKind:
    """Text, compared by code points, whatever the database's collation."""

    operators: ClassVar[tuple[str, ...]] = (*_EQUALITY, *_ORDER, "like")
    json_schema: ClassVar[dict[str, Any]] = {"type": "string", "maxLength": LONGEST_TEXT, "pattern": STORABLE}

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            msg = f"Takes a text of at most {LONGEST_TEXT} characters."
            raise ValueError(msg)
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("May hold neither NUL nor half a surrogate pair: no text in Postgres does.")
        return value


@dataclass(frozen=True, slots=True)
class ChoiceKind:
    """One of some words.

    Attributes:
        values: the words; read when a filter is, since plugins may add to them.
    """

    values: Collection[str] = field(hash=False)
    operators: ClassVar[tuple[str, ...]] = _EQUALITY

    @property
    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.values)}

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.values:
            msg = f"Takes one of {', '.join(self.values)}."
            raise ValueError(msg)
        return value


@dataclass(frozen=True, slots=True)
class NumberKind:
    """A whole number."""

    operators: ClassVar[tuple[str, ...]] = (*_EQUALITY, *_ORDER)
    json_schema: ClassVar[dict[str, Any]] = {"type": "integer", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER}

    def read(self, value: Any) -> int:
        whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
        if not whole or abs(value) > LARGEST_NUMBER:
            msg = f"Takes a whole number, of at most {LARGEST_NUMBER}."
            raise ValueError(msg)
        return int(value)  # JSON Schema has 3.0 as a whole number, too


@dataclass(frozen=True, slots=True)
class TimeKind:
    """A time with its offset."""

    operators: ClassVar[tuple[str, ...]] = (*_EQUALITY, *_ORDER)
    json_schema: ClassVar[dict[str, Any]] = {"type": "string", "format": "date-time"}

    def read(self, value: Any) -> datetime:
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            pass
        raise ValueError("Takes a time with its offset, such as 2030-01-01T12:00:00Z.")


@dataclass(frozen=True, slots=True)
class IdKind:
    """A UUID."""

    operators: ClassVar[tuple[str, ...]] = (*_EQUALITY, *_ORDER)
    json_schema: ClassVar[dict[str, Any]] = {"type": "string", "format": "uuid"}

    def read(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            return value
        try:
            return UUID(value)
        except (TypeError, ValueError, AttributeError):
            raise ValueError("Takes an id, such as 01993c1e-0000-7000-8000-000000000000.") from None


@dataclass(frozen=True, slots=True)
class TagsKind:
    """Several texts."""

    operators: ClassVar[tuple[str, ...]] = ("contains",)
    json_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_TEXT,
        "pattern": STORABLE,
    }

    def read(self, value: Any) -> str:
        if value == "":
            raise ValueError("Takes one tag, which is not empty.")
        return TextKind().read(value)


def plain(value: Any) -> Any:
    """Return a value that `read` returned as JSON writes it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
