"""Turn values of Python into those that JSON knows, and name their types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import orjson
from marshmallow import fields

from gristmill.shared.contract.refusal import FieldRefusedError

ALL_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def serialized(field: fields.Field[Any], value: Any) -> Any:
    """Return `value`, as a handler knows it, in the form in which a producer sends it."""
    written = field.serialize("", None, accessor=lambda *_: value)
    return format(written, "f") if isinstance(written, Decimal) else written


def as_json(value: Any, role: str, *, cure: str = "write texts, numbers, lists and dicts") -> Any:
    """Return `value` as it is after a way through JSON.

    Args:
        role: names the value in the error, for instance "its default".
        cure: says in the error what to write instead.

    Raises:
        FieldRefusedError: JSON does not know such a value.
    """
    try:
        plain = json.loads(json.dumps(value, allow_nan=False, default=_plain))
        orjson.dumps(plain)  # refuses lone surrogates and numbers beyond 64 bits, as the ingress does
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"{role} is {_short(value)}, which JSON cannot hold ({error}): {cure}"
        raise FieldRefusedError(msg) from None
    return plain


def type_of(value: Any) -> str:
    """Return the JSON type of a JSON value."""
    return "null" if value is None else _TYPES[type(value)]


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON types of the values that a schema may accept, sorted."""
    if "type" in schema:
        named = schema["type"]
        return (named,) if isinstance(named, str) else tuple(sorted(named))
    if "const" in schema:
        return (type_of(schema["const"]),)
    if "enum" in schema:
        return tuple(sorted({type_of(value) for value in schema["enum"]}))
    return ALL_TYPES


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"it is of the type {type(value).__name__}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."  # noqa: PLR2004  as much as an error can show
