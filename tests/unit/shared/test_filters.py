"""Filters that are valid, and the refusal of each error by its path, with what to write instead."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gristmill.shared.base.principal import ADMIN, OPERATOR
from gristmill.shared.dead_letters.filter import LETTERS
from gristmill.shared.errors import InvalidError
from gristmill.shared.filters.like import is_like
from gristmill.shared.filters.parse import DEEPEST, MOST_TERMS, MOST_VALUES, read_filter
from gristmill.shared.operating.job_filter import JOBS

ROOT = Path(__file__).parents[3]
GOOD = {"field": "state", "eq": "queued"}


def nested(levels: int) -> Any:
    return {"not": nested(levels - 1)} if levels else GOOD


def refused(where: Any, catalogue: Any = JOBS, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidError) as found:
        read_filter(where, catalogue, **options)
    return found.value.details


@pytest.mark.parametrize(
    ("where", "path", "told"),
    [
        (None, "where", "A filter is"),
        ("state = 'dead'", "where", "A filter is"),
        ([GOOD], "where", "A filter is"),
        ({}, "where", "A filter is"),
        ({"and": [GOOD], "or": [GOOD]}, "where", "A filter is"),
        ({"nor": [GOOD]}, "where.nor", "A filter is"),
        ({"and": []}, "where.and", "1 to 50 filters"),
        ({"or": GOOD}, "where.or", "1 to 50 filters"),
        ({"not": [GOOD]}, "where.not", "A filter is"),
        ({"and": [GOOD, 5]}, "where.and.1", "A filter is"),
        ({"and": [GOOD] * (MOST_TERMS + 1)}, "where.and", "1 to 50 filters"),
        ({"and": [{"or": [GOOD] * 30}] * 2}, "where", "60 terms"),
        (nested(DEEPEST + 1), "where" + ".not" * DEEPEST, "flatter"),
        ({"field": "colour", "eq": "red"}, "where.field", "No such field; there are id, task"),
        ({"field": "args", "eq": "red"}, "where.field", "No such field"),
        ({"field": "state; DROP TABLE gristmill.jobs", "eq": "red"}, "where.field", "No such field"),
        ({"field": ["state"], "eq": "red"}, "where.field", "No such field"),
        ({"field": "reason", "eq": "expired"}, "where.field", "No such field"),
        ({"field": "state"}, "where", "Give one operator for state: eq, ne, in"),
        ({"field": "attempt", "gt": 1, "lt": 3}, "where", "Give one operator for attempt"),
        ({"field": "state", "equals": "queued"}, "where.equals", "state takes eq, ne, in."),
        ({"field": "state", "gt": "queued"}, "where.gt", "state takes eq, ne, in."),
        ({"field": "state", "is_null": True}, "where.is_null", "state takes eq, ne, in."),
        ({"field": "tags", "eq": "a"}, "where.eq", "tags takes contains."),
        ({"field": "tags", "contains": ""}, "where.contains", "one tag"),
        ({"field": "tags", "contains": ["a"]}, "where.contains", "a text"),
        ({"field": "attempt", "like": "1%"}, "where.like", "attempt takes eq, ne, in, gt, lt, between."),
        ({"field": "state", "eq": "lost"}, "where.eq", "one of scheduled, queued"),
        ({"field": "state", "eq": None}, "where.eq", "one of scheduled, queued"),
        ({"field": "queue", "eq": {"$ne": ""}}, "where.eq", "one of user_queue"),
        ({"field": "state", "in": "queued"}, "where.in", "a list of 1 to 100"),
        ({"field": "state", "in": []}, "where.in", "a list of 1 to 100"),
        ({"field": "state", "in": ["queued"] * (MOST_VALUES + 1)}, "where.in", "a list of 1 to 100"),
        ({"field": "state", "in": ["queued", "lost"]}, "where.in.1", "one of scheduled, queued"),
        ({"field": "task", "eq": 5}, "where.eq", "a text of at most 255"),
        ({"field": "task", "eq": "x" * 256}, "where.eq", "a text of at most 255"),
        ({"field": "task", "eq": "a\0"}, "where.eq", "NUL"),
        ({"field": "task", "eq": "\ud800"}, "where.eq", "surrogate"),
        ({"field": "task", "like": "email.\\"}, "where.like", "lone backslash"),
        ({"field": "attempt", "eq": "3"}, "where.eq", "whole number"),
        ({"field": "attempt", "eq": True}, "where.eq", "whole number"),
        ({"field": "attempt", "eq": 1.5}, "where.eq", "whole number"),
        ({"field": "attempt", "eq": 2**31}, "where.eq", "whole number"),
        ({"field": "attempt", "between": [1]}, "where.between", "two values"),
        ({"field": "attempt", "between": [1, "2"]}, "where.between.1", "whole number"),
        ({"field": "created_at", "gt": "yesterday"}, "where.gt", "such as 2030-01-01T12:00:00Z"),
        ({"field": "created_at", "gt": "2030-01-01T12:00:00"}, "where.gt", "with its offset"),
        ({"field": "created_at", "gt": 1_700_000_000}, "where.gt", "with its offset"),
        ({"field": "created_at", "gt": "0001-01-01T00:00:00+14:00"}, "where.gt", "with its offset"),
        ({"field": "id", "eq": "7"}, "where.eq", "Takes an id"),
        ({"field": "id", "eq": 7}, "where.eq", "Takes an id"),
        ({"field": "finished_at", "is_null": "yes"}, "where.is_null", "true or false"),
    ],
)
def test_what_a_filter_cannot_mean_is_refused_where_it_stands(where: Any, path: str, told: str) -> None:
    details = refused(where)
    assert list(details) == [path]
    assert told in details[path][0]


def test_all_that_is_wrong_is_told_at_once() -> None:
    where = {
        "or": [{"field": "colour", "eq": 1}, {"not": {"field": "state", "eq": "lost"}}, {"field": "task", "lt": 5}]
    }
    assert list(refused(where)) == ["where.or.0.field", "where.or.1.not.eq", "where.or.2.lt"]


@pytest.mark.parametrize("catalogue", [JOBS, LETTERS], ids=["jobs", "letters"])
def test_who_posted_it_is_a_field_for_operators_and_admins_only(catalogue: Any) -> None:
    where = {"field": "producer_id", "is_null": True}
    assert "admin or operator" in refused(where, catalogue, may=lambda _: False)["where.field"][0]
    assert read_filter(where, catalogue, may=lambda scopes: scopes == {ADMIN, OPERATOR}).plain() == where


NAMES = st.sampled_from(["field", "and", "or", "not", "eq", "in", "state"]) | st.text()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | NAMES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@given(where=ANYTHING)
@example(where=nested(500))
def test_whatever_is_sent_is_read_or_refused(where: Any) -> None:
    with suppress(InvalidError):
        read_filter(read_filter(where, JOBS).plain(), JOBS)


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("email.send", "email.%", True),
        ("email.send", "EMAIL.%", False),
        ("email.send", "email", False),
        ("email.send", "%", True),
        ("", "%", True),
        ("", "_", False),
        ("a\nb", "a_b", True),
        ("100%", "100\\%", True),
        ("100x", "100\\%", False),
        ("a.b", "a\\.b", True),
        ("aab", "%ab", True),
        ("a" * 255, "%a" * 120 + "b", False),
    ],
)
def test_a_pattern_fits_as_like_does(text: str, pattern: str, fits: bool) -> None:
    assert is_like(text, pattern) is fits


@pytest.mark.parametrize(("catalogue", "column"), [(JOBS, 1), (LETTERS, 2)], ids=["jobs", "letters"])
def test_the_page_names_every_field_with_what_it_takes(catalogue: Any, column: int) -> None:
    rows = [
        line.split("|") for line in (ROOT / "docs" / "filters.md").read_text().splitlines() if line.startswith("| `")
    ]
    named: dict[str, set[str]] = {}
    taken: set[str] = set()
    for row in rows:
        if len(row) == 5:
            operators = set(re.findall(r"`(\w+)`", row[3]))
            taken = operators | (taken if "the same" in row[3] else set())
            named |= dict.fromkeys(re.findall(r"`(\w+)`", row[column]), taken)
    assert named == {name: set(field.kind.operators) for name, field in catalogue.items()}
