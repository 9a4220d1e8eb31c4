"""Money is text from the producer to the handler, and exact."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields
from marshmallow.validate import Range

from gristmill.shared.errors import InvalidArgsError
from gristmill.shared.task import Registry, task


class Line(Schema):
    price = fields.Decimal(required=True, places=2, validate=Range(Decimal("0.01"), Decimal(1000)))


class PayArgs(Schema):
    amount = fields.Decimal(required=True)
    lines = fields.List(fields.Nested(Line), load_default=list)
    rates = fields.Dict(values=fields.Decimal(allow_none=True), load_default=dict)
    rounded = fields.Decimal(places=1, rounding=ROUND_HALF_UP, load_default=None)


def pay(ctx: Any, *, amount: Decimal, lines: Any, rates: Any, rounded: Any = None) -> None: ...


PAY = task(name="demo.pay", queue="data_processing_queue", args=PayArgs, into=Registry())(pay)


@given(st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: format(number, "f")))
def test_an_amount_reaches_the_handler_as_it_was_sent(amount: str) -> None:
    loaded = PAY.load_args({"amount": amount})["amount"]
    assert type(loaded) is Decimal
    assert format(loaded, "f") == amount
    jsonschema.validate({"amount": amount}, dict(PAY.contract.schema))


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({"amount": 0.1}, "args.amount"),
        ({"amount": 3}, "args.amount"),
        ({"amount": "1", "lines": [{"price": 9.5}]}, "args.lines.0.price"),
        ({"amount": "1", "rates": {"eur": 1.1}}, "args.rates.eur.value"),
    ],
)
def test_a_json_number_is_refused_with_the_advice_to_write_text(args: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgsError) as refused:
        PAY.load_args(args)
    (message,) = refused.value.details[field]
    assert 'write it as text, "12.50"' in message


@pytest.mark.parametrize(
    "price", ["1.005", "1e2", "NaN", "Infinity", "1_000", " 1", "+1", "-1", "1.", "٣", "9" * 40, "0.001"]
)
def test_what_the_contract_does_not_describe_is_refused(price: str) -> None:
    args = {"amount": "1", "lines": [{"price": price}]}
    with pytest.raises(InvalidArgsError):
        PAY.load_args(args)


def test_the_field_says_itself_how_a_third_decimal_is_rounded() -> None:
    assert PAY.load_args({"amount": "1", "rounded": "2.25"})["rounded"] == Decimal("2.3")


def test_null_and_values_of_python_are_left_to_the_field() -> None:
    loaded = PAY.load_args({"amount": Decimal("1.10"), "rates": {"eur": None}})
    assert (loaded["amount"], loaded["rates"]) == (Decimal("1.10"), {"eur": None})
