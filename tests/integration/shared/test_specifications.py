"""Filters say the same of a row in Postgres and in Python, and go together as in logic, whatever is NULL."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, true
from sqlalchemy.orm import Session, selectinload

from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.filter import LETTERS
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.filters.comparisons import OPERATORS, Leaf
from gristmill.shared.filters.fields import Catalogue, Field
from gristmill.shared.filters.kinds import ChoiceKind, IdKind, NumberKind, TagsKind, TextKind
from gristmill.shared.filters.parse import read_filter
from gristmill.shared.filters.specification import EVERYTHING, And, Not, Or, Specification
from gristmill.shared.jobs.models import Job
from gristmill.shared.operating.job_filter import JOBS
from gristmill.shared.states import FINAL, State

NOW = datetime(2030, 1, 1, tzinfo=UTC)
# Small, so that rows and filters meet; and all that LIKE, collations and quoting could stumble over.
WORDS = st.text(st.sampled_from("aAbÄ%_\\ \n'\"😀"), max_size=4)
TIMES = st.integers(-2, 2).map(lambda hours: NOW + timedelta(hours=hours, microseconds=hours))
IDS = st.integers(0, 2).map(lambda number: UUID(int=number << 64))
NUMBERS = st.integers(-1, 3)
TAGS = st.lists(WORDS.filter(bool), max_size=2)
LAWS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Values that a filter may compare `field` with."""
    kind = field.kind
    if isinstance(kind, ChoiceKind):
        return st.sampled_from(sorted(kind.values))
    if isinstance(kind, (TextKind, TagsKind)):
        return WORDS.filter(bool) if isinstance(kind, TagsKind) else WORDS
    if isinstance(kind, NumberKind):
        return NUMBERS
    return (IDS if isinstance(kind, IdKind) else TIMES).map(str)


@st.composite
def terms(draw: st.DrawFn, catalogue: Catalogue) -> dict[str, Any]:
    """One term, as JSON has it."""
    field = draw(st.sampled_from(list(catalogue.values())))
    name = draw(st.sampled_from([*field.kind.operators, *(["is_null"] if field.nullable else [])]))
    values = values_of(field)
    if name == "is_null":
        value: Any = draw(st.booleans())
    elif name in ("in", "between"):
        value = draw(st.lists(values, min_size=2 if name == "between" else 1, max_size=2))
    else:
        value = draw(values)
        assume(name != "like" or (len(value) - len(value.rstrip("\\"))) % 2 == 0)
    return {"field": field.name, name: value}


def filters(catalogue: Catalogue) -> st.SearchStrategy[dict[str, Any]]:
    def together(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        several = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(
            *(st.fixed_dictionaries({name: several}) for name in ("and", "or")), st.fixed_dictionaries({"not": inner})
        )

    return st.recursive(terms(catalogue), together, max_leaves=6)


@st.composite
def jobs(draw: st.DrawFn, number: int) -> dict[str, Any]:
    state = draw(st.sampled_from(State))
    return {
        "id": UUID(int=(number << 64)),
        "task": draw(WORDS),
        "queue": draw(st.sampled_from(JOBS["queue"].kind.json_schema["enum"])),
        "args": {},
        "state": str(state),
        "priority": draw(st.sampled_from(["normal", "high"])),
        "attempt": draw(NUMBERS),
        "max_attempts": draw(NUMBERS),
        "tags": draw(TAGS),
        # Of live jobs no two may have the same one.
        "unique_key": draw(st.none() | WORDS) if state in FINAL else None,
        "worker": draw(st.none() | WORDS),
        "parent_id": draw(st.none() | IDS),
        "producer_id": draw(st.none() | IDS),
        "lease_until": NOW if state == State.RUNNING else None,
        "created_at": draw(TIMES),
        "run_at": draw(TIMES),
        "expires_at": draw(st.none() | TIMES),
        "started_at": draw(st.none() | TIMES),
        "finished_at": draw(TIMES) if state in FINAL else None,
        "cancel_requested_at": draw(st.none() | TIMES),
    }


@st.composite
def letters(draw: st.DrawFn, number: int, jobs: int) -> dict[str, Any]:
    resolution = draw(st.none() | st.sampled_from(["redriven", "discarded"]))
    return {
        "id": UUID(int=(number << 64)),
        # An open letter is the only one of its job.
        "job_id": UUID(int=number << 64) if number < jobs and draw(st.booleans()) else None,
        "task": draw(st.none() | WORDS),
        "queue": draw(st.sampled_from(JOBS["queue"].kind.json_schema["enum"])),
        "reason": draw(st.sampled_from(LETTERS["reason"].kind.json_schema["enum"])),
        "error_type": draw(st.none() | WORDS),
        "error_code": draw(st.none() | WORDS),
        "error_message": draw(st.none() | WORDS),
        "fingerprint": draw(WORDS),
        "attempts": draw(NUMBERS),
        "created_at": draw(TIMES),
        "resolution": resolution,
        "resolved_at": draw(TIMES) if resolution else None,
        "resolved_by": draw(st.none() | WORDS),
    }


JOB_ROWS = st.tuples(*(jobs(number) for number in range(4)))
LETTER_ROWS = st.tuples(*(letters(number, 4) for number in range(4)))


@dataclass
class Rows:
    """Rows that are there until the block ends, and what a filter says of them on either side."""

    session: Session
    model: type[Job | DeadLetter]

    def in_postgres(self, wanted: Specification) -> set[UUID]:
        return set(self.session.scalars(select(self.model.id).where(wanted.condition())))

    def in_python(self, wanted: Specification) -> set[UUID]:
        query: Any = select(self.model)
        if self.model is DeadLetter:
            query = query.options(selectinload(DeadLetter.job))
        return {each.id for each in self.session.scalars(query) if wanted.is_satisfied_by(each)}

    def truths(self, *wanted: Specification) -> list[tuple[bool, ...]]:
        """Return, for each of `wanted`, of which rows it is true, by one question."""
        answers = [each.condition().is_(true()) for each in wanted]
        return list(zip(*self.session.execute(select(*answers).order_by(self.model.id)), strict=True))


@contextmanager
def stored(database: Database, jobs: Any, letters: Any = ()) -> Iterator[Rows]:
    with database.session() as session:
        session.execute(insert(Job), list(jobs))
        if letters:
            session.execute(insert(DeadLetter), list(letters))
        yield Rows(session, DeadLetter if letters else Job)
        session.rollback()


@LAWS
@given(rows=JOB_ROWS, where=filters(JOBS))
def test_a_filter_of_jobs_says_the_same_in_postgres_and_in_python(
    table_database: Database, rows: Any, where: Any
) -> None:
    wanted = read_filter(where, JOBS)
    with stored(table_database, rows) as found:
        assert found.in_postgres(wanted) == found.in_python(wanted)


@LAWS
@given(rows=JOB_ROWS, dead=LETTER_ROWS, where=filters(LETTERS))
def test_a_filter_of_dead_letters_says_the_same_in_postgres_and_in_python(
    table_database: Database, rows: Any, dead: Any, where: Any
) -> None:
    wanted = read_filter(where, LETTERS)
    with stored(table_database, rows, dead) as found:
        assert found.in_postgres(wanted) == found.in_python(wanted)


@LAWS
@given(rows=JOB_ROWS, wheres=st.tuples(*[filters(JOBS)] * 3))
def test_and_or_and_not_go_together_as_in_logic(table_database: Database, rows: Any, wheres: Any) -> None:
    a, b, c = (read_filter(where, JOBS) for where in wheres)
    laws: list[tuple[Specification, Specification]] = [
        (a & ~a, ~EVERYTHING),
        (a | ~a, EVERYTHING),
        (Not(Not(a)), a),
        (~(a & b), ~a | ~b),
        (~(a | b), ~a & ~b),
        (a & b, b & a),
        (a | b, b | a),
        (And((a, b)) & c, a & And((b, c))),
        (Or((a, b)) | c, a | Or((b, c))),
        (a & (b | c), (a & b) | (a & c)),
        (a | (b & c), (a | b) & (a | c)),
        (a & (a | b), a),
    ]
    with stored(table_database, rows) as found:
        assert found.truths(*(left for left, _ in laws)) == found.truths(*(right for _, right in laws))
        one, other, both, either, neither = found.truths(a, b, a & b, a | b, ~a)
        assert both == tuple(map(operator.and_, one, other))
        assert either == tuple(map(operator.or_, one, other))
        assert neither == tuple(map(operator.not_, one))


@LAWS
@given(data=st.data())
@pytest.mark.parametrize("catalogue", [JOBS, LETTERS], ids=["jobs", "letters"])
def test_a_filter_is_read_back_from_what_is_written_down_of_it(catalogue: Catalogue, data: st.DataObject) -> None:
    wanted = read_filter(data.draw(filters(catalogue)), catalogue)
    assert read_filter(wanted.plain(), catalogue).plain() == wanted.plain()


@pytest.mark.parametrize("catalogue", [JOBS, LETTERS], ids=["jobs", "letters"])
def test_every_operator_of_every_field_is_right_about_a_value_an_empty_one_and_another(
    table_database: Database, catalogue: Catalogue
) -> None:
    """Cover what the random rows may have missed: each operator on each field, empty ones too."""
    made: list[Leaf] = []
    for field in catalogue.values():
        examples = {TextKind: "a", TagsKind: "a", NumberKind: 1, IdKind: str(UUID(int=1 << 64))}
        value: Any = examples.get(type(field.kind), str(NOW))
        if isinstance(field.kind, ChoiceKind):
            value = next(iter(field.kind.values))
        for name in field.kind.operators:
            given_value = [value] if name == "in" else [value, value] if name == "between" else value
            made.append(read_filter({"field": field.name, name: given_value}, catalogue))  # type: ignore[arg-type]
    assert {each.operator for each in made} | {"is_null"} == set(OPERATORS)
    sample = {
        "task": "a", "queue": "email_queue", "args": {}, "state": "queued", "max_attempts": 1, "attempt": 1,
        "run_at": NOW, "created_at": NOW,
    }  # fmt: skip
    full = sample | {
        "id": UUID(int=1 << 64), "tags": ["a"], "unique_key": "a", "worker": "a", "parent_id": UUID(int=1 << 64),
        "producer_id": UUID(int=1 << 64), "expires_at": NOW, "started_at": NOW, "cancel_requested_at": NOW,
    }  # fmt: skip
    empty = dict.fromkeys(full) | sample | {"id": UUID(int=2 << 64), "tags": []}
    letter = {"queue": "email_queue", "reason": "exhausted", "fingerprint": "a", "created_at": NOW, "attempts": 1}
    dead = [
        letter | {"id": UUID(int=1 << 64), "job_id": UUID(int=1 << 64), "task": "a", "error_type": "a"},
        letter | {"id": UUID(int=2 << 64), "job_id": None, "task": None, "error_type": None},
    ]
    with stored(table_database, [full, empty], dead if catalogue is LETTERS else ()) as found:
        for wanted in (*made, *(~each for each in made), reduce(operator.and_, made), reduce(operator.or_, made)):
            assert found.in_postgres(wanted) == found.in_python(wanted), wanted.plain()
