"""Add what the author of a field says in its `metadata` to the description of the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import fields

from gristmill.shared.contract.json_values import ALL_TYPES, as_json
from gristmill.shared.contract.limits import Described
from gristmill.shared.contract.refusal import FieldRefusedError

_TEXTS: Final = ("title", "description", "format", "pattern")
# Keywords of JSON Schema that say more than the class of a field does; checked against the standard.
_WORDS: Final = """
    multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength maxItems minItems uniqueItems
    maxProperties minProperties enum items allOf oneOf anyOf not properties required additionalProperties default
    deprecated examples type
"""
_KEYWORDS: Final = frozenset(_WORDS.split())


def describe_metadata(field: fields.Field[Any], described: Described) -> None:
    """Add the keywords of JSON Schema and the extensions (`x-…`) in the metadata of `field`.

    Raises:
        FieldRefusedError: one is not as the standard has it.
    """
    metadata: Mapping[Any, Any] = field.metadata
    for name in _TEXTS:
        if name in metadata:
            described[name] = _text(name, metadata[name])
    for name in metadata:
        if isinstance(name, str) and name.startswith(("x-", "x_")):
            described["x-" + name[2:]] = as_json(metadata[name], f"metadata {name!r}")
    said = {name: as_json(metadata[name], f"metadata {name!r}") for name in sorted(metadata.keys() & _KEYWORDS)}
    if said:
        _check(said)
        described.update(said)


def example_in(field: fields.Field[Any]) -> tuple[Any, ...]:
    """Return the example in the metadata of `field`, or nothing; one that is a function is called."""
    if "example" not in field.metadata:
        return ()
    example = field.metadata["example"]
    return (as_json(example() if callable(example) else example, "its example"),)


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    msg = f"metadata {name!r} is {value!r}: write a text"
    raise FieldRefusedError(msg)


def _check(said: Described) -> None:
    kinds = said.get("type", "string")
    named = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(named, list) or not named or any(kind not in ALL_TYPES for kind in named):
        msg = f"metadata 'type' is {kinds!r}: write one of {', '.join(ALL_TYPES)}, or a list of them"
        raise FieldRefusedError(msg)
    if said.keys() == {"type"}:
        return
    from jsonschema import Draft202012Validator, SchemaError  # takes as long to import as all of marshmallow

    try:
        Draft202012Validator.check_schema(said)
    except SchemaError as error:
        where = error.json_path.replace("$", "metadata", 1)
        msg = f"its metadata is no JSON Schema: {where}: {error.message}: correct it"
        raise FieldRefusedError(msg) from None
