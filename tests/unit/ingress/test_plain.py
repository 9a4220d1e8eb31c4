"""A plain request is loaded as its fields would have done it."""

from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import EXCLUDE, Schema, ValidationError

from gristmill.ingress.http.api import Parser
from gristmill.ingress.schemas.batches import BatchEntry
from gristmill.ingress.schemas.jobs import JobRequest
from gristmill.shared.args import PlainArgs, PlainFirst

text = st.text(max_size=5) | st.sampled_from(["", "\0", "x" * 64, "x" * 65, "x" * 200, "x" * 201, "x" * 255, "x" * 256])
anything: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-1, 101) | st.floats(0, 100) | text | st.just([]) | st.just({})
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "task": text | anything,
        "args": st.dictionaries(text, anything, max_size=2) | anything,
        "priority": st.sampled_from(["normal", "high", "urgent"]) | anything,
        "max_attempts": st.integers(-1, 102) | anything,
        "unique_key": text | anything,
        "tags": st.lists(text, max_size=3) | st.just(["t"] * 20) | st.just(["t"] * 21) | anything,
        "idempotency_key": st.sampled_from(["k", "two words", "ä"]) | text | anything,
        "delay": st.integers(-1, 10) | anything,
        "callback_url": st.sampled_from(["https://example.com/", "ftp://x/"]) | anything,
        "colour": anything,
    },
)


def load(schema: PlainFirst, body: dict[str, Any], *, plain: bool) -> Any:
    try:
        return schema.load(body) if plain else Schema.load(schema, body)
    except ValidationError as error:
        return error.messages


@pytest.mark.parametrize("schema", [JobRequest(), BatchEntry()], ids=["job", "entry"])
@given(body=entries)
def test_the_short_way_leads_where_the_long_one_does(schema: PlainFirst, body: dict[str, Any]) -> None:
    short, long = load(schema, body, plain=True), load(schema, body, plain=False)
    assert short == long
    assert {name: type(value) for name, value in short.items()} == {name: type(value) for name, value in long.items()}


PLAIN = {
    "task": "demo.echo",
    "args": {"a": [1]},
    "priority": "high",
    "max_attempts": 3,
    "unique_key": "k",
    "tags": ["t"],
}


@pytest.mark.parametrize(
    ("schema", "body"),
    [(JobRequest(), {"task": "demo.echo"}), (JobRequest(), PLAIN), (BatchEntry(), PLAIN | {"idempotency_key": "k"})],
)
def test_a_plain_request_takes_the_short_way(
    schema: PlainFirst, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Schema.load(schema, body)
    monkeypatch.setattr(Schema, "_do_load", None)  # the long way, as it were blocked
    assert schema.load(body) == long


def test_a_plain_request_takes_the_short_way_through_the_parser_of_the_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parser, "load_json", lambda *_: PLAIN)
    with Flask(__name__).test_request_context("/", method="POST") as context:
        monkeypatch.setattr(Schema, "_do_load", None)  # the long way, as it were blocked
        loaded = Parser().parse(JobRequest(), context.request, location="json")
    assert loaded["task"] == PLAIN["task"]


def test_a_schema_that_is_asked_to_load_otherwise_takes_the_long_way() -> None:
    assert JobRequest().load({"task": "demo.echo", "colour": "red"}, unknown=EXCLUDE) == JobRequest().load(
        {"task": "demo.echo"}
    )


@pytest.mark.parametrize("start", [{"run_at": "2030-01-01T12:00:00Z"}, {"delay": 5}])
def test_what_the_schema_checks_together_goes_the_long_way(start: dict[str, Any]) -> None:
    assert PlainArgs(JobRequest(), checked_together=JobRequest.checked_together).load(PLAIN | start) is None
    assert PlainArgs(JobRequest()).load(PLAIN) is None, "a check that is not declared might be about any field"
