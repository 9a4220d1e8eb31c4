"""Describe a `where` filter in the OpenAPI document, from the catalogue of its fields."""

from __future__ import annotations

from typing import Any, Final

from gristmill.shared.dead_letters.filter import LETTERS
from gristmill.shared.filters.fields import Catalogue, Field
from gristmill.shared.filters.parse import MOST_TERMS, MOST_VALUES
from gristmill.shared.operating.job_filter import JOBS

_CATALOGUES: Final = {"JobWhere": JOBS, "DeadLetterWhere": LETTERS}
_RULES: Final = (
    "One comparison, or several combined by `and`, `or` and `not`. Null is neither equal to, less nor greater than any "
    "value; `ne` and `not` are true of it. `between` includes both ends. In a `like`, `%` matches any text and `_` any "
    "one character; a backslash escapes them."
)


def where_components() -> dict[str, dict[str, Any]]:
    """Return the schema components that `gristmill.ingress.schemas.lists.where_field` names."""
    return {name: _describe(name, catalogue) for name, catalogue in _CATALOGUES.items()}


def _describe(name: str, catalogue: Catalogue) -> dict[str, Any]:
    inner = {"$ref": f"#/components/schemas/{name}"}
    several = {"type": "array", "items": inner, "minItems": 1, "maxItems": MOST_TERMS}
    together = [_only({each: inner if each == "not" else several}, [each]) for each in ("and", "or", "not")]
    same_kind: dict[tuple[Any, bool], list[Field]] = {}
    for field in catalogue.values():
        same_kind.setdefault((field.kind, field.nullable), []).append(field)
    return {"description": _RULES, "anyOf": [*map(_term, same_kind.values()), *together]}


def _term(fields: list[Field]) -> dict[str, Any]:
    """Describe a comparison of one of `fields`, which hold the same kind of value."""
    value = fields[0].kind.json_schema
    operators = {name: _operand(name, value) for name in fields[0].kind.operators}
    if fields[0].nullable:
        operators["is_null"] = {"type": "boolean"}
    named = {"field": {"type": "string", "enum": [field.name for field in fields]}}
    return _only(named | operators, ["field"]) | {"minProperties": 2, "maxProperties": 2}


def _operand(name: str, value: dict[str, Any]) -> dict[str, Any]:
    if name == "between":
        return {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
    return {"type": "array", "items": value, "minItems": 1, "maxItems": MOST_VALUES} if name == "in" else value


def _only(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
