"""Describe the validators of a field by keywords of JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any, Final

from marshmallow import fields, validate

from gristmill.shared.contract.json_values import as_json, serialized, types_of
from gristmill.shared.contract.patterns import ecma_pattern
from gristmill.shared.contract.refusal import FieldRefusedError

Described = dict[str, Any]

_LENGTHS: Final = {"string": "Length", "array": "Items", "object": "Properties"}
_NUMBERS: Final = {"integer", "number"}


@dataclass(slots=True)
class Bounds:
    """The narrowest bounds of several `Range` validators; None where there is none."""

    low: Any = None
    high: Any = None
    low_is_outside: bool = False
    high_is_outside: bool = False

    @property
    def is_limited(self) -> bool:
        return self.low is not None or self.high is not None

    def narrow(self, limit: validate.Range) -> None:
        """Take another `Range` into account."""
        low, high = _finite(limit.min), _finite(limit.max)
        if low is not None and (self.low is None or low >= self.low):
            self.low_is_outside = not limit.min_inclusive or (low == self.low and self.low_is_outside)
            self.low = low
        if high is not None and (self.high is None or high <= self.high):
            self.high_is_outside = not limit.max_inclusive or (high == self.high and self.high_is_outside)
            self.high = high


def bounds_of(field: fields.Field[Any]) -> Bounds:
    """Return the bounds of a field by all its `Range` validators.

    Raises:
        FieldRefusedError: they cannot be compared with each other.
    """
    bounds = Bounds()
    for each in validators_of(field):
        if isinstance(each, validate.Range):
            try:
                bounds.narrow(each)
            except TypeError as error:
                msg = f"its validators Range cannot be compared ({error}): give all limits in the type that it loads"
                raise FieldRefusedError(msg) from None
    return bounds


def validators_of(field: fields.Field[Any]) -> Iterator[Any]:
    """Yield the validators of a field, those inside of `And` too."""
    pending = list(field.validators)
    while pending:
        each = pending.pop(0)
        if isinstance(each, validate.And):
            pending[:0] = each.validators
        else:
            yield each


def describe_limits(field: fields.Field[Any], described: Described) -> None:
    """Add the validators of `field`; those that are functions cannot be described, and are left out.

    Raises:
        FieldRefusedError: a validator of marshmallow has limits that JSON cannot hold.
    """
    _describe_bounds(field, described)
    for each in validators_of(field):
        for kind, describe in _VALIDATORS.items():
            if isinstance(each, kind):
                describe(each, field, described)
                break
    if described.get("enum") == []:
        raise FieldRefusedError("no value is among its choices: name at least one that all validators accept")


def _describe_bounds(field: fields.Field[Any], described: Described) -> None:
    bounds = bounds_of(field)
    if not _NUMBERS.isdisjoint(types_of(described)) and types_of(described) != _ANY:
        low, high = _number(field, bounds.low), _number(field, bounds.high)
        names = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    else:  # JSON Schema compares numbers only
        low, high = (None if limit is None else serialized(field, limit) for limit in (bounds.low, bounds.high))
        names = ("x-minimum", "x-exclusiveMinimum", "x-maximum", "x-exclusiveMaximum")
        described["description"] = _in_words(bounds, low, high)
    if low is not None:
        described[names[bounds.low_is_outside]] = as_json(low, "the lower limit of its Range")
    if high is not None:
        described[names[2 + bounds.high_is_outside]] = as_json(high, "the upper limit of its Range")
    if not described.get("description", "x"):
        del described["description"]


_ANY: Final = types_of({})


def _in_words(bounds: Bounds, low: Any, high: Any) -> str:
    words = []
    if low is not None:
        words.append(f"more than {low}" if bounds.low_is_outside else f"at least {low}")
    if high is not None:
        words.append(f"less than {high}" if bounds.high_is_outside else f"at most {high}")
    text = " and ".join(words)
    return text[:1].upper() + text[1:] + "." * bool(text)


def _number(field: fields.Field[Any], limit: Any) -> Any:
    """Return a limit as a JSON number; `Range(Decimal("0.1"))` on a Float is 0.1."""
    if limit is None or isinstance(limit, (int, float)):
        return limit
    try:
        return float(limit) if isinstance(limit, Number) else serialized(field, limit)  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError) as error:
        msg = f"Range has the limit {limit!r}, which is no limit of a {type(field).__name__} ({error})"
        raise FieldRefusedError(msg) from None


def _finite(limit: Any) -> Any:
    return None if isinstance(limit, float) and not math.isfinite(limit) else limit


def _length(each: validate.Length, _field: fields.Field[Any], described: Described) -> None:
    for kind in types_of(described):
        if kind in _LENGTHS and types_of(described) != _ANY:
            low, high = f"min{_LENGTHS[kind]}", f"max{_LENGTHS[kind]}"
            shortest = each.min if each.equal is None else each.equal
            longest = each.max if each.equal is None else each.equal
            if shortest is not None:
                described[low] = max(shortest, described.get(low, 0))
            if longest is not None:
                described[high] = min(longest, described.get(high, longest))


def _one_of(each: validate.OneOf, field: fields.Field[Any], described: Described) -> None:
    _narrow_choices(described, _choices(field, each.choices))


def _equal(each: validate.Equal, field: fields.Field[Any], described: Described) -> None:
    _narrow_choices(described, _choices(field, [each.comparable]))


def _none_of(each: validate.NoneOf, field: fields.Field[Any], described: Described) -> None:
    add_rule(described, {"not": {"enum": _choices(field, each.iterable)}})


def _contains_only(each: validate.ContainsOnly, field: fields.Field[Any], described: Described) -> None:
    if isinstance(field, fields.List):
        _narrow_choices(described["items"], _choices(field.inner, each.choices))


def _contains_none_of(each: validate.ContainsNoneOf, field: fields.Field[Any], described: Described) -> None:
    if isinstance(field, fields.List):
        add_rule(described["items"], {"not": {"enum": _choices(field.inner, each.iterable)}})
    elif described.get("type") == "string" and all(isinstance(each, str) for each in each.iterable):
        forbidden = "|".join(_literal(text) for text in each.iterable)
        add_rule(described, {"not": {"pattern": forbidden}})


def _regexp(each: validate.Regexp, _field: fields.Field[Any], described: Described) -> None:
    add_rule(described, {"pattern": ecma_pattern(each.regex)})


def _format(name: str) -> Callable[[Any, fields.Field[Any], Described], None]:
    def describe(_each: Any, _field: fields.Field[Any], described: Described) -> None:
        described.setdefault("format", name)

    return describe


def add_rule(described: Described, rule: Described) -> None:
    """Add keywords that are there already in an `allOf`."""
    if described.keys() & rule.keys():
        described.setdefault("allOf", []).append(rule)
    else:
        described.update(rule)


def _literal(text: str) -> str:
    """Return the pattern that finds `text`: punctuation and controls by their codes."""
    return "".join(one if one.isalnum() or not one.isascii() else f"\\u{ord(one):04x}" for one in text)


def _choices(field: fields.Field[Any], choices: Iterable[Any]) -> list[Any]:
    told = [as_json(_choice(field, choice), "one of its choices") for choice in choices]
    return sorted(told, key=repr) if isinstance(choices, (set, frozenset)) else told


def _choice(field: fields.Field[Any], choice: Any) -> Any:
    try:
        return serialized(field, choice)
    except Exception as error:
        kind, problem = type(field).__name__, f"{type(error).__name__}: {error}"
        msg = f"its choice {choice!r} is no value of a {kind} ({problem}): write it as the handler gets it"
        raise FieldRefusedError(msg) from error


def _narrow_choices(described: Described, choices: list[Any]) -> None:
    before = described.get("enum")
    described["enum"] = choices if before is None else [choice for choice in before if choice in choices]


# The order counts: a class stands before those that it is derived from.
_VALIDATORS: Final[Mapping[type, Callable[[Any, fields.Field[Any], Described], None]]] = {
    validate.ContainsOnly: _contains_only,
    validate.OneOf: _one_of,
    validate.ContainsNoneOf: _contains_none_of,
    validate.NoneOf: _none_of,
    validate.Equal: _equal,
    validate.Length: _length,
    validate.Regexp: _regexp,
    validate.URL: _format("uri"),
    validate.Email: _format("email"),
}
