"""Marshmallow schemas of all kinds, made by Hypothesis: good ones, and such as no contract can describe."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, timedelta
from decimal import ROUND_UP, Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from marshmallow import EXCLUDE, INCLUDE, RAISE, Schema, ValidationError, fields, validate

Strategy = st.SearchStrategy[Any]
Field = fields.Field[Any]


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"


class Day(enum.Enum):
    FIRST = date(2026, 1, 1)
    LAST = date(2026, 12, 31)


class Price(enum.Enum):
    LOW = Decimal("1.10")
    HIGH = Decimal("99.00")


class Sku(fields.String):
    """A field of an application's own, which loads none of the usual examples."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if not text.startswith("SKU-"):
            raise ValidationError("must begin with SKU-")
        return text


class Anything(fields.Field[Any]):
    """A field that says nothing of its type."""


def never(_value: Any) -> None:
    raise ValidationError("never")


def broken(value: Any) -> None:
    raise RuntimeError(value)


def always(_value: Any) -> None:
    return None


PATTERNS = [
    r"^[a-z]+$",
    r"[a-z]+|\d+",
    r"\A[A-Z]{2,}\Z",
    r"(?P<word>t)ex(?P=word)",
    r"(?i)text",
    r"t{1}e{,2}x[\w\-.]*t\ ?",
    r"[]a-z[]+",
    r"\w+\#?}?]?{?",
    r"t(?>e)xt",
]
NUMBERS: Strategy = st.one_of(
    st.none(),
    st.integers(-5, 20),
    st.just(10**20),
    st.floats(),
    st.decimals(-5, 20, places=2),
    st.just(Fraction(1, 3)),
)
TIMES: Strategy = st.none() | st.datetimes(timezones=st.sampled_from([None, UTC]))
WORDS: Strategy = st.sampled_from(["text", "a", "ü", "x" * 30, "\r\n", "\ud800", "1", "a\0"])
JSON: Strategy = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=3,
)
PYTHON: Strategy = st.sampled_from(
    [Decimal("1.5"), date(2030, 1, 1), Colour.RED, {1, 2}, b"x", object(), list, 7, None]
)


def ranges(limits: Strategy) -> Strategy:
    return st.builds(validate.Range, limits, limits, min_inclusive=st.booleans(), max_inclusive=st.booleans())


def lengths() -> Strategy:
    bounded = st.builds(validate.Length, st.none() | st.integers(0, 3), st.none() | st.integers(3, 9))
    return bounded | st.builds(validate.Length, equal=st.integers(0, 5))


def choices(values: Strategy) -> Strategy:
    some = st.lists(values, min_size=1, max_size=3)
    return st.one_of(
        some.map(validate.OneOf),
        some.map(validate.NoneOf),
        some.map(validate.ContainsOnly),
        some.map(validate.ContainsNoneOf),
        values.map(validate.Equal),
        st.sampled_from([never, broken, always]),
    )


TEXTS = st.one_of(
    lengths(), choices(WORDS), st.sampled_from(PATTERNS).map(validate.Regexp), st.just(validate.URL()), ranges(WORDS)
)


@st.composite
def made(draw: st.DrawFn, /, kind: Callable[..., Field], validators: Strategy, **own: Strategy) -> Field:
    """A field with options of its own, and with those that all fields have, each given now and then."""
    options: dict[str, Any] = {
        name: draw(strategy) for name, strategy in own.items() if draw(st.integers(0, 2)) == 0 or name in NEEDED
    }
    common = {
        "validate": st.lists(validators, max_size=2),
        "allow_none": st.booleans(),
        "load_default": st.none() | PYTHON | JSON,
        "data_key": st.sampled_from(["key", "größe", "", "a.b"]),
        "load_only": st.booleans(),
        "dump_only": st.sampled_from([False] * 3 + [True]),
        "metadata": METADATA,
    }
    for name, strategy in common.items():
        if draw(st.integers(0, 9)) == 0:
            options[name] = draw(strategy)
    if "load_default" not in options:
        options["required"] = draw(st.booleans())
    try:
        return kind(**options)
    except Exception:  # noqa: BLE001  marshmallow itself refuses this field, before a task is declared
        return fields.String()


NEEDED = {"enum", "tuple_fields", "nested", "cls_or_instance", "constant", "deserialize", "field_name"}
METADATA = st.dictionaries(
    st.sampled_from(
        ["example", "description", "type", "format", "pattern", "minimum", "enum", "x-note", "secret", "own"]
    ),
    JSON | PYTHON | st.sampled_from(["string", "SKU-1", 1]),
    max_size=2,
)
FORMATS = st.sampled_from(["iso", "rfc", "timestamp", "timestamp_ms", "%d.%m.%Y %H:%M", "%Y"])
PLAIN: Strategy = st.one_of(
    made(fields.String, TEXTS),
    made(Sku, TEXTS),
    made(fields.UUID, choices(WORDS)),
    made(fields.Email, TEXTS),
    made(
        fields.Url,
        TEXTS,
        relative=st.booleans(),
        absolute=st.booleans(),
        schemes=st.sampled_from([{"ftp"}, {"https"}, {"s3"}]),
        require_tld=st.booleans(),
    ),
    made(fields.Integer, ranges(NUMBERS) | choices(NUMBERS), strict=st.booleans(), as_string=st.booleans()),
    made(fields.Float, ranges(NUMBERS) | choices(NUMBERS), allow_nan=st.booleans()),
    made(
        fields.Decimal,
        ranges(NUMBERS) | choices(NUMBERS),
        places=st.integers(-2, 6),
        rounding=st.just(ROUND_UP),
        allow_nan=st.booleans(),
        as_string=st.booleans(),
    ),
    made(
        fields.Boolean, choices(st.booleans()), truthy=st.sampled_from([{"yes"}, {True, "on"}]), falsy=st.just({"no"})
    ),
    made(fields.DateTime, ranges(TIMES), format=FORMATS),
    made(fields.NaiveDateTime, ranges(TIMES), format=FORMATS, timezone=st.just(UTC)),
    made(fields.AwareDateTime, ranges(TIMES), format=FORMATS, default_timezone=st.just(UTC)),
    made(fields.Date, ranges(st.none() | st.dates()) | choices(st.dates()), format=FORMATS),
    made(fields.Time, ranges(st.none() | st.times()), format=st.sampled_from(["iso", "%H:%M"])),
    made(
        fields.TimeDelta,
        ranges(st.none() | st.timedeltas(timedelta(0), timedelta(days=9)) | NUMBERS),
        precision=st.sampled_from(["seconds", "minutes", "days", "microseconds"]),
    ),
    made(fields.IP, st.just(always)),
    made(fields.IPv4, st.just(always)),
    made(fields.IPv6, st.just(always)),
    made(fields.IPInterface, st.just(always)),
    made(fields.IPv6Interface, st.just(always)),
    made(
        fields.Enum,
        choices(st.sampled_from(Colour)),
        enum=st.sampled_from([Colour, Day, Price]),
        by_value=st.sampled_from([False, True, fields.Date, fields.Decimal(), fields.Raw]),
    ),
    made(fields.Raw, choices(JSON)),
    made(Anything, choices(JSON)),
    made(fields.Constant, st.just(always), constant=PYTHON | JSON),
    made(fields.Function, choices(JSON), deserialize=st.just(str)),
)


def containers(inner: Strategy) -> Strategy:
    schemas = schemas_of(inner, unknown=st.sampled_from([RAISE, EXCLUDE, INCLUDE]))
    return st.one_of(
        made(fields.List, lengths() | choices(WORDS), cls_or_instance=inner),
        made(fields.Dict, lengths(), keys=inner, values=inner),
        made(fields.Tuple, st.just(always), tuple_fields=st.lists(inner, max_size=3)),
        made(
            fields.Nested,
            lengths(),
            nested=schemas,
            many=st.booleans(),
            unknown=st.sampled_from([EXCLUDE, INCLUDE]),
            exclude=st.just(("a",)),
        ),
        made(fields.Pluck, lengths(), nested=schemas, field_name=st.just("a"), many=st.booleans()),
    )


@st.composite
def schemas_of(draw: st.DrawFn, inner: Strategy, *, unknown: Strategy) -> type[Schema]:
    names = draw(st.lists(st.sampled_from(["b", "größe", "c_1"]), max_size=2, unique=True))
    chosen = draw(unknown)

    class Meta:
        unknown = chosen

    return Schema.from_dict({**{name: draw(inner) for name in ["a", *names]}, "Meta": Meta})  # type: ignore[dict-item]


SCHEMAS: Strategy = schemas_of(
    st.one_of(PLAIN, PLAIN, st.recursive(PLAIN, containers, max_leaves=4)),
    unknown=st.sampled_from([RAISE] * 9 + [INCLUDE]),
)
