"""Fields as they appear in a contract, the table of docs/tasks.md, and what is refused with which cure."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from marshmallow import EXCLUDE, INCLUDE, Schema, ValidationError, fields, post_load, validates_schema
from marshmallow.validate import (
    And,
    ContainsNoneOf,
    ContainsOnly,
    Equal,
    Length,
    NoneOf,
    OneOf,
    Range,
    Regexp,
)

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.contract.contract import Contract, make_contract
from gristmill.shared.errors import TaskDefinitionError
from gristmill.shared.task import Registry, Task, registry, task
from tests.documents import ROOT, rows

Field = fields.Field[Any]


class Colour(enum.Enum):
    RED = "#f00"
    BLUE = "#00f"


class Weekday(enum.Enum):
    MONDAY = date(2026, 1, 5)


class Town(Schema):
    city = fields.String(required=True)
    zip_code = fields.String(data_key="zip")


class Node(Schema):
    name = fields.String()
    children = fields.List(fields.Nested(lambda: Node(exclude=())))


class Sku(fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        if not text.startswith("SKU-"):
            raise ValidationError("must begin with SKU-")
        return text


class Own(fields.Field[Any]):
    pass


def declare(field: Field | None = None, *, schema: type[Schema] | None = None) -> Task:
    """Declare a task with one argument, `x`."""

    def handle(ctx: Any, *, x: Any = None) -> None: ...

    chosen = schema or Schema.from_dict({"x": field})  # type: ignore[dict-item]
    return task(name="demo.x", queue="data_processing_queue", args=chosen, into=Registry())(handle)


def described(field: Field) -> dict[str, Any]:
    properties: dict[str, Any] = declare(field).contract.schema["properties"]["x"]
    return properties


ZERO, THOUSAND = Decimal("0.01"), Decimal(1000)
DAY = datetime(2031, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (fields.Integer(validate=Range(Decimal(1), 5)), {"type": "integer", "minimum": 1, "maximum": 5}),
        (
            fields.Float(validate=Range(0, float("inf"), min_inclusive=False)),
            {"type": "number", "exclusiveMinimum": 0},
        ),
        (
            fields.Date(validate=Range(date(2031, 5, 1))),
            {"type": "string", "format": "date", "x-minimum": "2031-05-01", "description": "At least 2031-05-01."},
        ),
        (
            fields.AwareDateTime(validate=Range(max=DAY)),
            {"type": "string", "format": "date-time", "x-maximum": "2031-05-01T00:00:00+00:00"},
        ),
        (
            fields.TimeDelta(precision="minutes", validate=Range(timedelta(hours=1))),
            {"type": "number", "x-unit": "minutes", "minimum": 60},
        ),
        (fields.DateTime(format="timestamp"), {"type": "number", "minimum": 0}),
        (fields.Date(format="%d.%m.%Y"), {"type": "string", "title": "A text of the form %d.%m.%Y"}),
        (fields.Enum(Colour), {"type": "string", "enum": ["RED", "BLUE"]}),
        (fields.Enum(Colour, by_value=True), {"type": "string", "enum": ["#f00", "#00f"]}),
        (fields.Enum(Weekday, by_value=fields.Date), {"type": "string", "enum": ["2026-01-05"]}),
        (fields.Enum(Colour, allow_none=True), {"type": ["string", "null"], "enum": ["RED", "BLUE", None]}),
        (fields.Enum(Colour, load_default=Colour.RED), {"default": "RED"}),
        (fields.Date(load_default=date(2030, 1, 2)), {"default": "2030-01-02"}),
        (
            fields.Dict(keys=fields.Integer(), values=fields.Decimal()),
            {"type": "object", "propertyNames": {"pattern": r"^-?\d+$"}},
        ),
        (
            fields.Dict(keys=fields.Enum(Colour), validate=Length(1, 2)),
            {
                "propertyNames": {"type": "string", "enum": ["RED", "BLUE"]},
                "minProperties": 1,
                "maxProperties": 2,
            },
        ),
        (
            fields.Tuple((fields.String(), fields.Integer())),
            {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
        ),
        (
            fields.Nested(Town, many=True, validate=Length(min=1), unknown=EXCLUDE),
            {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                    "required": ["city"],
                },
            },
        ),
        (fields.Nested(Town, only=["city"]), {"properties": {"city": {"type": "string"}}}),
        (fields.Nested(lambda: Node(exclude=["children"])), {"properties": {"name": {"type": "string"}}}),
        (fields.Pluck(Town, "city", many=True), {"type": "array", "items": {"type": "string"}}),
        (fields.Constant("eur"), {"const": "eur"}),
        (fields.Raw(), {}),
        (fields.Boolean(truthy={"yes"}, falsy={"no"}), {"enum": ["no", "yes"]}),
        (fields.IP(), {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
        (fields.Url(relative=True), {"type": "string", "format": "uri-reference"}),
        (fields.String(load_only=True, load_default=str), {"type": "string", "writeOnly": True}),
        (fields.String(validate=[OneOf(["a", "b"]), NoneOf(["b"])]), {"enum": ["a", "b"], "not": {"enum": ["b"]}}),
        (fields.String(validate=Equal("a"), allow_none=True), {"type": ["string", "null"], "enum": ["a", None]}),
        (fields.String(validate=ContainsNoneOf("\r.")), {"not": {"pattern": r"\u000d|\u002e"}}),
        (fields.List(fields.String(), validate=ContainsOnly(["a"])), {"items": {"type": "string", "enum": ["a"]}}),
        (
            fields.String(validate=And(Length(2, 9), Length(max=8), Regexp("t"), Regexp(".*x"))),
            {"minLength": 2, "maxLength": 8, "pattern": "^(?:t)", "allOf": [{"pattern": "^(?:.*x)"}]},
        ),
        (Sku(metadata={"example": lambda: "SKU-1"}), {"type": "string", "example": "SKU-1"}),
        (Own(metadata={"type": "integer"}), {"type": "integer"}),
        (fields.Function(deserialize=str, metadata={"type": "string", "x_unit": "kg"}), {"x-unit": "kg"}),
        (fields.String(metadata={"example": "a", "own": object()}), {"type": "string", "example": "a"}),
    ],
)
def test_a_field_is_described_as_it_loads(field: Field, expected: dict[str, Any]) -> None:
    told = described(field)
    assert {name: told.get(name) for name in expected} == expected
    jsonschema.Draft202012Validator.check_schema(told)


def before_today(value: date) -> None:
    if value > date(2000, 1, 1):
        raise ValidationError("must be before 2000")


class OneObject(Schema):
    x = fields.String(required=True)

    @post_load
    def make(self, data: Any, **_: Any) -> Any:
        return object()


class Together(Schema):
    x = fields.String(required=True)
    y = fields.String()

    @validates_schema
    def check(self, data: Any, **_: Any) -> None:
        if "y" not in data:
            raise ValidationError("needs y")


class Lenient(Schema):
    class Meta:
        unknown = INCLUDE


class Twice(Schema):
    x = fields.String(data_key="same", load_only=True)
    y = fields.String(data_key="same", dump_only=False)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (Sku(), "the argument x: it refuses 'text' (must begin with SKU-): give it metadata={'example': …}"),
        (Sku(metadata={"example": "1"}), "it refuses '1' (must begin with SKU-): correct its example"),
        (fields.List(Sku()), "the argument x.[]: it refuses 'text'"),
        (fields.Nested({"a": fields.Nested({"b": Sku()})}), "the argument x.a.b: it refuses 'text'"),
        (fields.Date(validate=before_today), "must be before 2000"),
        (fields.Integer(validate=Range(5, 4)), "it refuses 1"),
        (fields.Integer(validate=Range(date(2030, 1, 1))), "Range has the limit datetime.date(2030, 1, 1)"),
        (fields.Integer(metadata={"example": "1"}), "is of the type string, its contract says integer"),
        (fields.Decimal(allow_nan=True), "allow_nan=True: JSON has no NaN; write allow_none=True"),
        (fields.DateTime(validate=Range(DAY)), "write AwareDateTime"),
        (fields.AwareDateTime(validate=Range(datetime(2030, 1, 1))), "fail for"),  # noqa: DTZ001  the fault
        (fields.String(validate=Regexp("(?i)a")), "has re.IGNORECASE, which patterns in JSON Schema have not"),
        (fields.String(validate=Regexp("(?>a)")), "has (?>, which ECMA 262 does not know"),
        (fields.String(validate=OneOf([])), "no value is among its choices"),
        (fields.Raw(validate=OneOf([object()])), "one of its choices is <object"),
        (fields.Raw(load_default={1: object()}), "load_default=lambda"),
        (fields.Date(load_default="today"), "its load_default 'today' is no value of a Date"),
        (fields.Enum(Weekday, by_value=True), "cannot be sent by value"),
        (fields.Dict(keys=fields.Integer(strict=True)), "write keys=fields.String()"),
        (fields.Nested(Node), "the argument x.children.[]: Node is nested in itself without end"),
        (fields.Nested("NotYet"), "is not known yet"),
        (Own(), "Own does not say which JSON it reads: derive it"),
        (fields.Function(deserialize=str), "Function does not say which JSON it reads"),
        (fields.Constant(date(2030, 1, 1)), "its constant is datetime.date(2030, 1, 1), which JSON cannot hold"),
        (fields.String(dump_only=True), "the argument x: a dump_only field is never loaded"),
        (
            fields.Nested({"pin": fields.String(metadata={"secret": True})}),
            "the argument x.pin: secret is for arguments",
        ),
        (fields.String(metadata={"description": 1}), "metadata 'description' is 1: write a text"),
        (fields.String(metadata={"minLength": "1"}), "metadata.minLength: '1' is not of type 'integer'"),
        (fields.String(metadata={"type": "text"}), "metadata 'type' is 'text': write one of array"),
        (fields.String(metadata={"example": object()}), "its example is <object"),
    ],
)
def test_a_field_that_cannot_be_described_is_refused_where_it_is_declared(field: Field, problem: str) -> None:
    with pytest.raises(TaskDefinitionError) as refused:
        declare(field)
    assert refused.value.message.startswith("@task demo.x: ")
    assert problem in refused.value.message


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (OneObject, "OneObject loads a object: a post_load method must return the dict of the arguments"),
        (Together, "refuses its own example {'x': 'text'} ({'_schema': ['needs y']}): give the fields that belong"),
        (Lenient, "Lenient has unknown='include': a job with an unknown argument is refused; write unknown = RAISE"),
        (Twice, "two fields read this key"),
        (Schema(), "is no class derived from marshmallow.Schema"),
    ],
)
def test_a_schema_that_cannot_be_described_is_refused_where_it_is_declared(schema: Any, problem: str) -> None:
    with pytest.raises(TaskDefinitionError, match=re.escape(problem)):
        declare(schema=schema)


def test_what_failed_in_a_validator_is_the_cause_of_the_refusal() -> None:
    def broken(_value: Any) -> None:
        raise ZeroDivisionError("by nothing")

    with pytest.raises(TaskDefinitionError, match="its validators fail for 'text' with ZeroDivisionError") as refused:
        declare(fields.String(validate=broken))
    assert isinstance(refused.value.__cause__, ZeroDivisionError)


def test_a_contract_names_arguments_by_the_keys_that_a_producer_writes() -> None:
    class Args(Schema):
        pin = fields.String(data_key="PIN", required=True, metadata={"secret": True})
        size = fields.Float(data_key="größe", allow_none=True)
        anything = fields.Raw()

    contract: Contract = make_contract(Args(), summary="")
    assert contract.required == {"PIN"}
    assert contract.secret == {"PIN"}
    assert contract.types["größe"] == ("null", "number")
    assert len(contract.types["anything"]) == 7
    assert contract.schema["properties"]["PIN"]["writeOnly"] is True
    assert contract.example == {"PIN": "text"}


@pytest.mark.parametrize("each", list(registry), ids=lambda each: each.name)
def test_the_example_of_a_task_is_loaded_by_its_schema_and_fits_its_contract(each: Task) -> None:
    assert each.load_args(each.contract.example) == each.schema.load(each.contract.example)
    jsonschema.validate(each.contract.example, each.contract.schema, format_checker=jsonschema.FormatChecker())


def rows_of_fields() -> Iterator[tuple[str, str]]:
    for row in rows((ROOT / "docs" / "tasks.md").read_text()):
        if row[0].startswith("`fields."):
            yield row[0].strip("` "), row[1].strip("` ")


@pytest.mark.parametrize(("code", "expected"), list(rows_of_fields()))
def test_the_table_of_the_docs_is_right(code: str, expected: str) -> None:
    names = {"fields": fields, "Colour": Colour, "Town": Town, "Decimal": Decimal, "Range": Range}
    field = eval(code, names)  # noqa: S307  our own page
    assert described(field) == json.loads(expected)


def test_the_table_of_the_docs_has_a_row_for_each_field_of_marshmallow() -> None:
    shown = {code.removeprefix("fields.").partition("(")[0] for code, _ in rows_of_fields()}
    same = {"Bool", "Int", "Str", "URL", "Mapping", "Number", "Field", "Method", "Function", "Pluck"}
    same |= {"IPInterface", "IPv4Interface", "IPv6Interface", "IPv4", "IPv6"}
    public = {name: kind for name, kind in vars(fields).items() if isinstance(kind, type) and not name.startswith("_")}
    assert {name for name, kind in public.items() if issubclass(kind, fields.Field)} - same == shown
