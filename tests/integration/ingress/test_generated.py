"""Requests made from the contract: whatever is sent, the answer is one that the contract names, and never a 500."""

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from limits import RateLimitItemPerMinute
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.integration.ingress.conftest import KeyMaker


@pytest.mark.timeout(240)  # some hundred requests on a machine that others use, too
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_contract_names(
    app: Flask, make_key: KeyMaker, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ingress.limits.WRONG_KEYS", RateLimitItemPerMinute(1_000_000)
    )  # each operation is tried with one
    key = make_key("admin", name="admin")
    contract = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operations: Any = contract.get_all_operations()
    tried = 0
    for found in operations:
        operation = found.ok()

        @settings(
            max_examples=8,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal tried
            tried += 1
            # What a schema cannot say (times that contradict each other, a stream that must exist) may be refused; and
            # what is wrong in the generated key alone may be accepted, since a good one is put in its place.
            case.call_and_validate(headers=key, excluded_checks=[positive_data_acceptance, negative_data_rejection])

        with suppress(Unsatisfiable):  # there is nothing to get wrong in a route without parameters
            ask()
    assert tried > 0
