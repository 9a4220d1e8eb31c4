"""A plain request is loaded as its fields would have done it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from gristmill.ingress.schemas.batches import BatchEntry

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


def load(entry: dict[str, Any], *, plain: bool) -> Any:
    schema = BatchEntry()
    try:
        return schema.load(entry) if plain else Schema.load(schema, entry)
    except ValidationError as error:
        return error.messages


@given(entries)
def test_the_short_way_leads_where_the_long_one_does(entry: dict[str, Any]) -> None:
    short, long = load(entry, plain=True), load(entry, plain=False)
    assert short == long
    assert {name: type(value) for name, value in short.items()} == {name: type(value) for name, value in long.items()}
