"""The short way to arguments: what it returns is what the schema would, and the rest it leaves to the schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load
from marshmallow.validate import ContainsNoneOf, Length, OneOf, Range

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.args import PlainArgs
from gristmill.shared.task import registry


class Plain(Schema):
    name = fields.String(required=True, validate=Length(1, 5))
    kind = fields.String(validate=[OneOf(["a", "b"]), Length(max=1)], load_default="a")
    number = fields.Integer(strict=True, allow_none=True, validate=Range(0, 10))
    part = fields.Float(load_default=None)
    tags = fields.List(fields.String(validate=Length(max=2)), load_default=list, validate=Length(max=2))
    yes = fields.Boolean(truthy={"yes"}, falsy={"no"})
    words = fields.String(validate=[Length(1), ContainsNoneOf(["x"]), ContainsNoneOf("yz")])
    share = fields.Float(validate=Range(0, 1, max_inclusive=False))
    free = fields.Float(allow_nan=True, validate=Range(0))
    items = fields.Dict(keys=fields.String(), validate=Length(max=1))
    counts = fields.Dict(values=fields.Integer())
    rows = fields.List(fields.List(fields.Integer()))
    numbers = fields.List(fields.Integer(validate=Range(0, 10)))


class Upper(Plain):
    @post_load
    def raise_it(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        return {**data, "name": data["name"].upper()}


class Renamed(Schema):
    name = fields.String(data_key="title", attribute="other")


class Lenient(Schema):
    class Meta:
        unknown = EXCLUDE

    name = fields.String()


class Stripped(fields.String):
    def _deserialize(self, *args: Any, **options: Any) -> Any:
        return super()._deserialize(*args, **options).strip()


class WithOwnField(Schema):
    name = Stripped(required=True)


class Trimmed(Schema):
    name = fields.String(post_load=str.strip)


SCHEMAS = {
    **{schema.__name__: schema() for schema in (Plain, Upper, Renamed, Lenient, WithOwnField, Trimmed)},
    **{task.name: task.schema for task in registry},
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.just(10**30),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["a", "yes", " x ", "push", "transient", "2026-11-21T14:00:00Z", "019a0000-0000-7000-8000-000000000000"]
    ),
    st.lists(st.text(max_size=3) | st.integers(-1, 11), max_size=3),
    st.floats(0, 1),
    st.text("axyz", max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
def test_what_is_loaded_directly_is_what_the_schema_loads(name: str, data: st.DataObject) -> None:
    schema = SCHEMAS[name]
    args = data.draw(st.dictionaries(st.sampled_from([*schema.fields, "title", "unknown"]), VALUES))
    direct = PlainArgs(schema).load(args)
    if direct is None:
        return
    try:
        assert direct == schema.load(args)
    except ValidationError as error:
        pytest.fail(f"{args} was loaded directly, and the schema refuses it: {error.messages}")


@pytest.mark.parametrize("field", Plain().fields)
@given(value=VALUES)
def test_each_plain_field_is_loaded_as_the_schema_does(field: str, value: Any) -> None:
    args = {"name": "n", field: value}
    direct = PlainArgs(Plain()).load(args)
    assert direct is None or direct == Plain().load(args)


@pytest.mark.parametrize(
    ("name", "args", "loaded"),
    [
        ("demo.echo", {"message": "m"}, {"message": "m"}),
        ("demo.fail", {"times": 1}, {"times": 1, "kind": "transient"}),
        (
            "Plain",
            {"name": "n", "number": 3, "part": 0.5},
            {"name": "n", "kind": "a", "number": 3, "part": 0.5, "tags": []},
        ),
        (
            "Plain",
            {"name": "n", "tags": ["a"], "words": "abc", "share": 0.5, "items": {"a": [None]}, "numbers": [1]},
            {"name": "n", "kind": "a", "part": None, "tags": ["a"], "words": "abc", "share": 0.5}
            | {"items": {"a": [None]}, "numbers": [1]},
        ),
    ],
)
def test_texts_and_numbers_take_the_short_way(name: str, args: dict[str, Any], loaded: dict[str, Any]) -> None:
    assert PlainArgs(SCHEMAS[name]).load(args) == loaded


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Plain", {}),
        ("Plain", {"name": ""}),
        ("Plain", {"name": "n", "unknown": 1}),
        ("Plain", {"name": "n", "number": True}),
        ("Plain", {"name": "n", "tags": ["long"]}),
        ("Plain", {"name": "n", "tags": [1]}),
        ("Plain", {"name": "n", "yes": "yes"}),
        ("Plain", {"name": "n", "counts": {}}),
        ("Plain", {"name": "n", "rows": []}),
        ("Trimmed", {"name": " n "}),
        ("Upper", {"name": "n"}),
        ("Renamed", {"name": "n"}),
        ("Lenient", {"name": "n"}),
        ("WithOwnField", {"name": " n "}),
    ],
)
def test_what_it_does_not_know_is_left_to_the_schema(name: str, args: dict[str, Any]) -> None:
    assert PlainArgs(SCHEMAS[name]).load(args) is None


def test_lists_and_objects_are_copied_as_the_schema_does() -> None:
    args = {"name": "n", "tags": ["a"], "items": {"a": 1}}
    loaded = PlainArgs(Plain()).load(args)
    assert loaded is not None
    loaded["tags"].append("b")
    loaded["items"].clear()
    assert args == {"name": "n", "tags": ["a"], "items": {"a": 1}}


def test_a_default_that_is_made_anew_each_time_is_nobody_elses() -> None:
    plain = PlainArgs(Plain())
    first, second = plain.load({"name": "n"}), plain.load({"name": "n"})
    assert first is not None
    assert second is not None
    assert first["tags"] is not second["tags"]
