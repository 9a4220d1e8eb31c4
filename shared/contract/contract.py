"""The contract of a task, which HTTP, OpenAPI, the docs and the database show: one object made at its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, Schema, ValidationError

from gristmill.shared.contract.json_schema import Describer
from gristmill.shared.contract.json_values import as_json, types_of
from gristmill.shared.contract.refusal import FieldRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The arguments of a task as a producer sends them.

    Attributes:
        summary: one line about the task.
        schema: the JSON Schema (draft 2020-12) of the arguments, without `$schema`; secret ones are `writeOnly`.
        example: arguments that the task accepts.
        types: the JSON types of each argument by its name, sorted: `{"amount": ("null", "string")}`.
        required: names of the arguments that cannot be left out.
        secret: names of the arguments that are sealed in the database: `metadata={"secret": True}`.
    """

    summary: str
    schema: Mapping[str, Any]
    example: Mapping[str, Any]
    types: Mapping[str, tuple[str, ...]]
    required: frozenset[str]
    secret: frozenset[str]


def make_schema(kind: Any) -> Schema:
    """Return the schema of a class.

    Raises:
        FieldRefusedError: it is no class of marshmallow, or cannot be made.
    """
    if not (isinstance(kind, type) and issubclass(kind, Schema)):
        raise FieldRefusedError(f"args={kind!r} is no class derived from marshmallow.Schema")
    try:
        return kind()
    except Exception as error:
        msg = f"{kind.__name__} cannot be made ({type(error).__name__}: {error}); correct the schema"
        raise FieldRefusedError(msg) from error


def make_contract(schema: Schema, *, summary: str) -> Contract:
    """Return the contract of a task with this schema of arguments.

    Raises:
        FieldRefusedError: JSON Schema cannot describe a field, or no example is accepted.
    """
    _refuse_options(schema)
    described = Describer().describe(schema)
    plain: dict[str, Any] = as_json(described.schema, "its description")
    _check_example(schema, described.example)
    names = {name: name if field.data_key is None else field.data_key for name, field in schema.load_fields.items()}
    return Contract(
        summary=summary,
        schema=plain,
        example=described.example,
        types={name: types_of(one) for name, one in plain["properties"].items()},
        required=frozenset(plain.get("required", ())),
        secret=frozenset(names[name] for name, field in schema.load_fields.items() if field.metadata.get("secret")),
    )


def _refuse_options(schema: Schema) -> None:
    name = type(schema).__name__
    if schema.unknown != RAISE:
        msg = f"{name} has unknown={schema.unknown!r}: a job with an unknown argument is refused; write unknown = RAISE"
        raise FieldRefusedError(msg)
    if schema.many:
        raise FieldRefusedError(f"{name} has many=True: a job has one object of arguments; nest it in a List")
    for field_name in schema.fields.keys() - schema.load_fields.keys():
        refusal = FieldRefusedError("a dump_only field is never loaded from a job: leave it out of this schema")
        refusal.inside(field_name)
        raise refusal


def _check_example(schema: Schema, example: Any) -> None:
    name = type(schema).__name__
    try:
        loaded = schema.load(example)
    except ValidationError as error:
        msg = (
            f"{name} refuses its own example {example!r} ({error.messages}): give the fields that belong together "
            "metadata={'example': …}"
        )
        raise FieldRefusedError(msg) from None
    except Exception as error:
        msg = f"{name} fails to load its example {example!r} with {type(error).__name__} ({error}): correct its methods"
        raise FieldRefusedError(msg) from error
    if not isinstance(loaded, dict):
        msg = f"{name} loads a {type(loaded).__name__}: a post_load method must return the dict of the arguments"
        raise FieldRefusedError(msg)
