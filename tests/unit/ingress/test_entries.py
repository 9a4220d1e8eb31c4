"""What is looked at directly is what the schema would have made of it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from ingress.entries import load_entry
from ingress.schemas.batches import BatchEntry
from shared.errors import InvalidError
from shared.task import flatten

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


def by_schema(entry: dict[str, Any]) -> Any:
    try:
        return BatchEntry().load(entry)
    except ValidationError as error:
        return flatten(error.messages, "")


def by_entry(entry: dict[str, Any]) -> Any:
    try:
        return load_entry(entry)
    except InvalidError as error:
        return error.details


@given(entries)
def test_an_entry_is_loaded_as_its_schema_does(entry: dict[str, Any]) -> None:
    fast, thorough = by_entry(entry), by_schema(entry)
    assert fast == thorough
    assert {name: type(value) for name, value in fast.items()} == {n: type(value) for n, value in thorough.items()}
