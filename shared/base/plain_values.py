"""Check whether a marshmallow field would load a value as it is, by the field's own type and validators."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import fields
from marshmallow.validate import ContainsNoneOf, Length, OneOf, Range

Check = Callable[[Any], bool]  # that a value is loaded as it is; it may also raise ValidationError where it is not
Validate = Callable[[Any], Any]

_CONTAINERS: Final = (dict, list)
# Of these classes themselves, not of those derived from them: loading returns a value of the type as it is. A field
# class of ours joins them by an attribute of its own, `plain_type`.
_PLAIN_TYPES: Final[Mapping[type[fields.Field[Any]], type]] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Dict: dict,
    fields.List: list,
}


def _plain_type(field: fields.Field[Any]) -> type | None:
    return _PLAIN_TYPES.get(type(field)) or vars(type(field)).get("plain_type")


def is_container(field: fields.Field[Any]) -> bool:
    """Say whether a plain value of `field` holds others."""
    return _plain_type(field) in _CONTAINERS


def check_of(field: fields.Field[Any]) -> Check | None:
    """Return the check that a value of `field` is loaded as it is; None where that cannot be told."""
    plain_type = _plain_type(field)
    if plain_type is None or field.pre_load or field.post_load:
        return None
    limits = _Limits.read(field.validators, plain_type)
    check = _CHECKS[plain_type](field, limits)
    return check if check is None or not limits.others else _with_validators(check, limits.others)


@dataclass(slots=True)
class _Limits:
    """The validators of marshmallow that a check states by itself, in a third of their time, and the others."""

    low: float = -math.inf
    high: float = math.inf
    shortest: int = 0
    longest: int = sys.maxsize
    words: frozenset[str] | None = None
    forbidden: str | None = None
    others: tuple[Validate, ...] = ()

    @classmethod
    def read(cls, validators: Iterable[Validate], plain_type: type) -> _Limits:
        limits = cls()
        take = {int: (cls._take_range,), float: (cls._take_range,), str: (cls._take_length, cls._take_words)}
        for validate in validators:
            if not any(takes(limits, validate) for takes in take.get(plain_type, (cls._take_length,))):
                limits.others = (*limits.others, validate)
        return limits

    def _take_range(self, validate: Validate) -> bool:
        if type(validate) is not Range or not validate.min_inclusive or not validate.max_inclusive:
            return False
        self.low = self.low if validate.min is None else max(self.low, validate.min)
        self.high = self.high if validate.max is None else min(self.high, validate.max)
        return True

    def _take_length(self, validate: Validate) -> bool:
        if type(validate) is not Length or validate.equal is not None:
            return False
        self.shortest = max(self.shortest, validate.min or 0)
        self.longest = self.longest if validate.max is None else min(self.longest, validate.max)
        return True

    def _take_words(self, validate: Validate) -> bool:
        if type(validate) is OneOf and self.words is None:
            self.words = frozenset(word for word in validate.choices if type(word) is str)
            return True
        if type(validate) is ContainsNoneOf and self.forbidden is None:
            characters = [*validate.iterable]
            if len(characters) == 1 and type(characters[0]) is str and len(characters[0]) == 1:
                self.forbidden = characters[0]
                return True
        return False


def _text(_field: Any, limits: _Limits) -> Check:
    shortest, longest, words, forbidden = limits.shortest, limits.longest, limits.words, limits.forbidden
    if words is not None:
        allowed = frozenset(word for word in words if shortest <= len(word) <= longest)
        return lambda value: type(value) is str and value in allowed and (forbidden is None or forbidden not in value)
    if forbidden is not None:
        return lambda value: type(value) is str and shortest <= len(value) <= longest and forbidden not in value
    return lambda value: type(value) is str and shortest <= len(value) <= longest


def _whole(_field: Any, limits: _Limits) -> Check:
    low, high = limits.low, limits.high
    return lambda value: type(value) is int and low <= value <= high


def _fraction(_field: Any, limits: _Limits) -> Check:
    low, high = limits.low, limits.high
    return lambda value: type(value) is float and math.isfinite(value) and low <= value <= high


def _mapping(field: Any, limits: _Limits) -> Check | None:
    shortest, longest, keys = limits.shortest, limits.longest, field.key_field
    if field.value_field is not None or (keys is not None and (type(keys) is not fields.String or keys.validators)):
        return None

    def check(value: Any) -> bool:
        if type(value) is not dict or not shortest <= len(value) <= longest:
            return False
        for key in value:  # noqa: SIM110  a generator takes three times as long
            if type(key) is not str:
                return False
        return True

    return check


def _several(field: Any, limits: _Limits) -> Check | None:
    shortest, longest, check = limits.shortest, limits.longest, check_of(field.inner)
    if check is None or is_container(field.inner):
        return None
    return lambda value: type(value) is list and shortest <= len(value) <= longest and all(map(check, value))


def _with_validators(check: Check, validators: tuple[Validate, ...]) -> Check:
    def check_all(value: Any) -> bool:
        if not check(value):
            return False
        for validate in validators:
            validate(value)
        return True

    return check_all


_CHECKS: Final[Mapping[type, Callable[[Any, _Limits], Check | None]]] = {
    str: _text,
    int: _whole,
    float: _fraction,
    dict: _mapping,
    list: _several,
}
