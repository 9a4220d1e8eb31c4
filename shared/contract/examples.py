"""Finish the description of a field: its example, its default, and whether it may be null."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, missing

from gristmill.shared.contract.json_values import as_json, serialized, type_of, types_of
from gristmill.shared.contract.kinds import Kind
from gristmill.shared.contract.limits import Described
from gristmill.shared.contract.metadata import example_in
from gristmill.shared.contract.refusal import FieldRefusedError


def find_example(field: fields.Field[Any], kind: Kind) -> Any:
    """Return the example of the field's metadata, or the first of its kind, that the field loads."""
    said = example_in(field)
    choices = [choice for choice in kind.described.get("enum", ()) if choice is not None]
    refusals = []
    for candidate in said or choices or kind.candidates(kind.described):
        try:
            field.deserialize(candidate, field.name, {field.name or "": candidate})
        except ValidationError as error:
            refusals.append(f"it refuses {candidate!r} ({_first_message(error.messages)})")
        except Exception as error:
            msg = f"its validators fail for {candidate!r} with {type(error).__name__} ({error}): correct them"
            raise FieldRefusedError(msg) from error
        else:
            return _of_described_type(candidate, kind.described)
    cure = "correct its example" if said else "give it metadata={'example': …}, a value that it loads"
    raise FieldRefusedError(f"{refusals[0] if refusals else 'no value is known that it accepts'}: {cure}")


def _of_described_type(example: Any, described: Described) -> Any:
    kinds = types_of(described)
    if example is None or type_of(example) in kinds or (type_of(example) == "integer" and "number" in kinds):
        return example
    msg = f"its example {example!r} is of the type {type_of(example)}, its contract says {' or '.join(kinds)}"
    raise FieldRefusedError(f"{msg}: correct the example, or write metadata={{'type': …}}")


def _first_message(messages: Any) -> str:
    while isinstance(messages, (dict, list)) and messages:
        messages = next(iter(messages.values() if isinstance(messages, dict) else messages))
    return str(messages)


def allow_null(described: Described) -> None:
    if "const" in described:
        described["enum"] = [described.pop("const")]
    if "enum" in described and None not in described["enum"]:
        described["enum"] = [*described["enum"], None]
    if "type" in described and "null" not in types_of(described):
        kinds = described["type"]
        described["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]


def describe_default(field: fields.Field[Any], described: Described) -> None:
    default = field.load_default
    if "default" in described or default is missing or callable(default):
        return
    role = "its load_default"
    try:
        known = isinstance(field, (fields.Method, fields.Function))  # these serialize an object, not a value
        cure = "write load_default=lambda: …, which is not described"
        written = as_json(default if known else serialized(field, default), role, cure=cure)
    except FieldRefusedError:
        raise
    except Exception as error:
        msg = (
            f"{role} {default!r} is no value of a {type(field).__name__} ({type(error).__name__}: {error}): write the "
            "value as the handler gets it"
        )
        raise FieldRefusedError(msg) from error
    described["default"] = written
