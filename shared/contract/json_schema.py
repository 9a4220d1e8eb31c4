"""Describe a marshmallow schema in JSON Schema (draft 2020-12), with an example that it loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import EXCLUDE, INCLUDE, Schema, fields
from marshmallow.exceptions import RegistryError

from gristmill.shared.contract.exact_kinds import EXACT_KINDS
from gristmill.shared.contract.examples import allow_null, describe_default, find_example
from gristmill.shared.contract.json_values import types_of
from gristmill.shared.contract.kinds import PLAIN_KINDS, Describe, Kind, any_value, texts
from gristmill.shared.contract.limits import Described, describe_limits
from gristmill.shared.contract.metadata import describe_metadata
from gristmill.shared.contract.refusal import FieldRefusedError

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_WHOLE_NUMBER: Final = r"^-?\d+$"


@dataclass(frozen=True, slots=True)
class Description:
    """The JSON Schema of a field, or of a schema, and a value that both accept."""

    schema: Described
    example: Any


class Describer:
    """Describes one schema with all that is nested in it."""

    def __init__(self) -> None:
        self._open: list[tuple[Any, ...]] = []
        self._kinds: dict[type, Describe] = {
            **PLAIN_KINDS,
            **EXACT_KINDS,
            fields.Mapping: self._mapping,
            fields.List: self._list,
            fields.Tuple: self._tuple,
            fields.Nested: self._nested,
            fields.Pluck: self._pluck,
        }

    def describe(self, schema: Schema, *, unknown: str | None = None) -> Description:
        """Return the description of a schema, nested ones inlined.

        Args:
            unknown: what a field says that nests the schema; its own word otherwise.

        Raises:
            FieldRefusedError: leads to the field that cannot be described.
        """
        identity = (type(schema), frozenset(schema.load_fields))
        if identity in self._open:
            msg = (
                f"{type(schema).__name__} is nested in itself without end: leave the field out one level below, "
                "Nested(lambda: Node(exclude=['children'])), or take a fields.Raw or fields.Dict"
            )
            raise FieldRefusedError(msg)
        described: Described = {"type": "object", "properties": {}}
        example: dict[str, Any] = {}
        self._open.append(identity)
        for name, field in schema.load_fields.items():
            key = _key(name, field)
            with _inside(key):
                if key in described["properties"]:
                    raise FieldRefusedError("two fields read this key: give each a data_key of its own")
                one = self.describe_field(field)
            described["properties"][key] = one.schema
            if field.required or "example" in field.metadata:
                example[key] = one.example
        self._open.pop()
        required = sorted(_key(name, field) for name, field in schema.load_fields.items() if field.required)
        if required and not schema.partial:
            described["required"] = required
        if (unknown or schema.unknown) != EXCLUDE:
            described["additionalProperties"] = (unknown or schema.unknown) == INCLUDE
        return Description(described, example)

    def describe_field(self, field: fields.Field[Any]) -> Description:
        """Return the description of one field.

        Raises:
            FieldRefusedError: it has none, or no example.
        """
        if len(self._open) > 1 and field.metadata.get("secret"):
            raise FieldRefusedError("secret is for arguments, not inside of one: mark the argument that holds it")
        kind = self._kind(field)
        described = kind.described
        describe_limits(field, described)
        describe_metadata(field, described)
        example = find_example(field, kind)
        if "example" in field.metadata:
            described["example"] = example
        if field.load_only or field.metadata.get("secret"):
            described["writeOnly"] = True
        if field.allow_none:
            allow_null(described)
        describe_default(field, described)
        return Description(described, example)

    def _kind(self, field: fields.Field[Any]) -> Kind:
        for one in type(field).__mro__:
            if one in self._kinds:
                return self._kinds[one](field)
        if "type" in field.metadata:
            return Kind({}, any_value)
        msg = (
            f"{type(field).__name__} does not say which JSON it reads: derive it from the field that is next to it "
            "(class Sku(fields.String)), or write metadata={'type': 'string', 'example': …}"
        )
        raise FieldRefusedError(msg)

    def _list(self, field: fields.List[Any]) -> Kind:
        with _inside("[]"):
            inner = self.describe_field(field.inner)

        def candidates(described: Described) -> Iterator[Any]:
            choices = described["items"].get("enum", [inner.example])
            for one in choices:
                yield [one] * described.get("minItems", 0)
            yield choices[: described.get("minItems", 0)]

        return Kind({"type": "array", "items": inner.schema}, candidates)

    def _tuple(self, field: fields.Tuple) -> Kind:
        parts = []
        for number, each in enumerate(field.tuple_fields):
            with _inside(str(number)):
                parts.append(self.describe_field(each))
        size = len(parts)
        described = {
            "type": "array",
            "prefixItems": [part.schema for part in parts],
            "items": False,
            "minItems": size,
            "maxItems": size,
        }
        if not parts:
            del described["prefixItems"]
        return Kind(described, lambda _: iter([[part.example for part in parts]]))

    def _mapping(self, field: fields.Mapping[Any]) -> Kind:
        described: Described = {"type": "object", "additionalProperties": {}}
        value = Description({}, "text")
        if field.value_field is not None:
            with _inside("*"):
                value = self.describe_field(field.value_field)
            described["additionalProperties"] = value.schema
        names: Described = {"type": "string"}
        if field.key_field is not None:
            with _inside("(key)"):
                names = self._names(field.key_field)
            if names != {"type": "string"}:
                described["propertyNames"] = names

        def candidates(described: Described) -> Iterator[Any]:
            count = described.get("minProperties", 0)
            keys = names.get("enum") or _distinct(names, count)
            yield dict.fromkeys(keys[:count], value.example)

        return Kind(described, candidates)

    def _names(self, field: fields.Field[Any]) -> Described:
        """Return the description of the keys of an object, which are texts in JSON."""
        described = self.describe_field(field).schema
        kinds = types_of(described)
        if kinds == ("integer",) and not getattr(field, "strict", False):
            return {"pattern": _WHOLE_NUMBER}
        if kinds != ("string",):
            msg = f"keys are texts in JSON, which {type(field).__name__} does not read: write keys=fields.String()"
            raise FieldRefusedError(msg)
        return {name: value for name, value in described.items() if name not in ("writeOnly", "default")}

    def _nested(self, field: fields.Nested) -> Kind:
        schema = _nested_schema(field)
        one = self.describe(schema, unknown=field.unknown)
        return _one_or_many(one, many=schema.many or field.many)

    def _pluck(self, field: fields.Pluck) -> Kind:
        schema = _nested_schema(field)
        one = self.describe_field(schema.fields[field.field_name])
        return _one_or_many(one, many=schema.many or field.many)


def _key(name: str, field: fields.Field[Any]) -> str:
    return name if field.data_key is None else field.data_key


@contextmanager
def _inside(name: str) -> Iterator[None]:
    try:
        yield
    except FieldRefusedError as error:
        error.inside(name)
        raise


def _nested_schema(field: fields.Nested) -> Schema:
    try:
        return field.schema
    except RegistryError as error:
        msg = f"its nested schema is not known yet ({error}): name the class itself, or import its module before"
        raise FieldRefusedError(msg) from error
    except Exception as error:
        msg = f"its nested schema cannot be made ({type(error).__name__}: {error}): correct the schema"
        raise FieldRefusedError(msg) from error


def _one_or_many(one: Description, *, many: bool | None) -> Kind:
    if not many:
        return Kind(one.schema, lambda _: iter([one.example]))
    described = {"type": "array", "items": one.schema}
    return Kind(described, lambda made: iter([[one.example] * made.get("minItems", 0)]))


def _distinct(names: Mapping[str, Any], count: int) -> list[str]:
    if "pattern" in names and names["pattern"] == _WHOLE_NUMBER:
        return [str(number) for number in range(1, count + 1)]
    word = next(texts(dict(names)))
    return [word, *(f"{word[: -len(str(number))]}{number}" for number in range(2, count + 1))][:count]
