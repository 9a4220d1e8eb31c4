"""Describe fields that hold no other fields: their type in JSON, and values that are tried as their example."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import fields, validate

from gristmill.shared.contract.json_values import as_json, serialized, type_of, types_of
from gristmill.shared.contract.limits import Described, validators_of
from gristmill.shared.contract.refusal import FieldRefusedError

Candidates = Callable[[Described], Iterator[Any]]


@dataclass(slots=True)
class Kind:
    """The description of a field without its validators and metadata.

    Attributes:
        candidates: yields values for the finished description, of which the first that the field loads is the example.
    """

    described: Described
    candidates: Candidates


Describe = Callable[[Any], Kind]

_WORDS: Final = ("text", "TEXT", "12345", "t", "T", "1")
_BY_FORMAT: Final = {
    "email": "ada@example.com",
    "uuid": "019a0000-0000-7000-8000-000000000000",
    "date-time": "2030-01-01T00:00:00Z",
    "date": "2030-01-01",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}


def texts(described: Described) -> Iterator[str]:
    """Yield texts of the described length, those of the described format first."""
    shortest, longest = described.get("minLength", 0), described.get("maxLength")
    if "format" in described and described["format"] in _BY_FORMAT:
        yield _BY_FORMAT[described["format"]]
    for word in _WORDS:
        yield word.ljust(shortest, word[-1])[:longest]


def numbers(described: Described) -> Iterator[Any]:
    """Yield numbers in the described range, whole ones first."""
    low = described.get("minimum", described.get("exclusiveMinimum"))
    high = described.get("maximum", described.get("exclusiveMaximum"))
    yield from (1, 0, -1)
    if low is not None:
        yield from (math.ceil(low), math.ceil(low) + 1)
    if high is not None:
        yield from (math.floor(high), math.floor(high) - 1)
    if "number" in types_of(described):
        yield from (limit for limit in (low, high) if limit is not None)
        if low is not None and high is not None:
            yield (low + high) / 2


def plain(kind: str, candidates: Candidates, **keywords: Any) -> Describe:
    """Return what describes a field by these keywords alone."""
    return lambda _field: Kind({"type": kind, **keywords}, candidates)


def _url(field: fields.Url) -> Kind:
    schemes = {
        scheme for each in validators_of(field) if isinstance(each, validate.URL) for scheme in sorted(each.schemes)
    }
    scheme = next((name for name in ("https", "http") if name in schemes), min(schemes, default="https"))
    only_relative = field.relative and not field.absolute
    example = "/path" if only_relative else f"{scheme}://example.com/"
    return Kind({"type": "string", "format": "uri-reference" if field.relative else "uri"}, lambda _: iter([example]))


def _boolean(field: fields.Boolean) -> Kind:
    if True in field.truthy and False in field.falsy:
        return Kind({"type": "boolean"}, lambda _: iter([True, False]))
    words = [word for word in (*field.truthy, *field.falsy) if isinstance(word, (str, bool, int))]
    told = sorted((as_json(word, "one of its words") for word in words), key=repr)
    return Kind({"enum": told}, lambda _: iter(told))


def _enum(field: fields.Enum[Any]) -> Kind:
    by_name = field.by_value is False
    members = field.enum.__members__ if by_name else [member.value for member in field.enum]
    told = []
    for member in members:
        try:
            choice = as_json(serialized(field.field, member), "a value of its Enum")
            field.deserialize(choice)
        except Exception as error:
            msg = (
                f"{field.enum.__name__} cannot be sent by value ({error}): write Enum({field.enum.__name__}) "
                "to send it by name, or by_value=fields.Date(), for instance, with the field of its values"
            )
            raise FieldRefusedError(msg) from error
        told.append(choice)
    kinds = sorted({type_of(choice) for choice in told})
    return Kind({"type": kinds[0] if len(kinds) == 1 else kinds, "enum": told}, lambda _: iter(told))


def _constant(field: fields.Constant[Any]) -> Kind:
    told = as_json(field.constant, "its constant")
    return Kind({"const": told}, lambda _: iter([told]))


def _raw(_field: fields.Raw) -> Kind:
    return Kind({}, any_value)


def any_value(described: Described) -> Iterator[Any]:
    """Yield values of the described types; of all types where none is described."""
    examples: dict[str, Candidates] = {
        "string": texts,
        "integer": numbers,
        "number": numbers,
        "boolean": lambda _: iter([True]),
        "object": lambda _: iter([{}]),
        "array": lambda _: iter([[]]),
        "null": lambda _: iter([None]),
    }
    for kind in sorted(types_of(described), key=list(examples).index):
        yield from examples[kind](described)


def between(bounds: Any, usual: Any, step: Any) -> Iterator[Any]:
    """Yield values of Python that may lie within `bounds`: the usual one, the limits, and some between."""
    yield usual
    low, high = bounds.low, bounds.high
    for limit in (low, high):
        if limit is not None:
            yield limit
    with suppress(TypeError, ArithmeticError):
        if low is not None and high is not None:
            yield low + (high - low) / 2
        if low is not None:
            yield low + step
        if high is not None:
            yield high - step


PLAIN_KINDS: Final[Mapping[type, Describe]] = {
    fields.String: plain("string", texts),
    fields.UUID: plain("string", texts, format="uuid"),
    fields.Email: plain("string", texts, format="email"),
    fields.Url: _url,
    fields.Integer: plain("integer", numbers),
    fields.Float: plain("number", numbers),
    fields.Boolean: _boolean,
    fields.Enum: _enum,
    fields.IP: plain("string", lambda _: iter(["192.0.2.1"]), anyOf=[{"format": "ipv4"}, {"format": "ipv6"}]),
    fields.IPv4: plain("string", texts, format="ipv4"),
    fields.IPv6: plain("string", texts, format="ipv6"),
    fields.IPInterface: plain("string", lambda _: iter(["192.0.2.1/24"])),
    fields.IPv4Interface: plain("string", lambda _: iter(["192.0.2.1/24"])),
    fields.IPv6Interface: plain("string", lambda _: iter(["2001:db8::1/64"])),
    fields.Constant: _constant,
    fields.Raw: _raw,
}
