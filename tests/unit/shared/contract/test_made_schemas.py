"""Whatever schema is declared: it is refused with task, reason and cure, or its example fits schema and contract."""

from __future__ import annotations

import json

import jsonschema
import jsonschema_rs
from hypothesis import event, given, settings
from marshmallow import Schema

from gristmill.shared.contract.contract import Contract, make_contract, make_schema
from gristmill.shared.contract.refusal import FieldRefusedError
from tests.unit.shared.contract.made_schemas import SCHEMAS

CURES = ("write", "give", "correct", "leave", "mark", "name", "derive", "import", "return", "must be")


def contract_or_refusal(schema: type[Schema]) -> Contract | FieldRefusedError:
    try:
        return make_contract(make_schema(schema), summary="")
    except FieldRefusedError as error:
        return error


@settings(max_examples=400)
@given(schema=SCHEMAS)
def test_a_schema_is_refused_with_a_cure_or_its_example_fits_it_and_the_contract(schema: type[Schema]) -> None:
    made = contract_or_refusal(schema)
    event(type(made).__name__)
    if isinstance(made, FieldRefusedError):
        assert any(cure in made.problem for cure in CURES), str(made)
        return
    contract, described = made, dict(made.schema)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(contract.example, described, format_checker=jsonschema.FormatChecker())
    jsonschema_rs.validate(described, contract.example)
    assert isinstance(schema().load(contract.example), dict)
