"""Many jobs in one transaction: one that does not succeed takes nobody with it."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from gristmill.shared.context import Call, Context
from gristmill.shared.database.connect import Database
from gristmill.shared.operating.models import FeatureFlag
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.shared.states import State
from gristmill.tasks.demo.models import DemoEffect
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.factories import attempts, change, effects, find, have_effect, letters, post, post_many, states

Declare = Callable[..., Any]

pytestmark = pytest.mark.timeout(300, method="thread")


def test_a_bundle_is_one_commit(database: Database, executor: Executor) -> None:
    jobs = post_many(database, 20, tasks.effect, key="k")
    executor.execute(jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    with database.transaction() as session:
        assert session.scalar(text("SELECT count(DISTINCT xmin::text) FROM gristmill.jobs")) == 1
        assert session.scalar(text("SELECT count(*) FROM gristmill.demo_effects")) == 20


@pytest.mark.parametrize(
    ("ending", "end", "kept"),
    [
        ("raise", State.RETRYING, 0),
        ("exit", State.RETRYING, 0),
        ("result", State.DEAD, 0),
        ("commit", State.RETRYING, 0),
        ("broken", State.RETRYING, 0),
        ("flush", State.RETRYING, 0),
        ("discard", State.DEAD, 0),
        ("cancel", State.CANCELLED, 0),
        ("snooze", State.SCHEDULED, 1),
    ],
)
def test_one_job_of_a_bundle_ends_in_its_own_way_and_its_neighbours_succeed(
    database: Database, executor: Executor, declare: Declare, ending: str, end: State, kept: int
) -> None:
    def handler(ctx: Context, *, ending: str) -> Any:
        have_effect(ctx, ending)
        return ENDINGS[ending](ctx)

    task = declare(handler, bundle=10)
    change(database, "INSERT INTO gristmill.feature_flags (name) VALUES ('twin')")
    jobs = [post(database, task, ending=each) for each in ("good", ending, "good")]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, end, State.SUCCEEDED]
    assert (effects(database, "good"), effects(database, ending)) == (2, kept)
    assert len(letters(database, jobs[1])) == (end is State.DEAD)
    assert len(attempts(database, jobs[1])) == 1


def _fail(_: Context) -> None:
    raise ConnectionError


def _exit(_: Context) -> None:
    raise SystemExit(1)


def _break(ctx: Context) -> None:
    with contextlib.suppress(Exception):
        ctx.session.execute(text("SELECT 1 / 0"))


ENDINGS: dict[str, Callable[[Context], Any]] = {
    "good": lambda _: {"good": True},
    "raise": _fail,
    "exit": _exit,
    "result": lambda _: object(),
    "commit": lambda ctx: ctx.session.commit(),
    "broken": _break,
    "flush": lambda ctx: ctx.session.add(FeatureFlag(name="twin")),
    "discard": lambda _: Discard("not needed"),
    "cancel": lambda _: Cancel("not wanted"),
    "snooze": lambda _: Snooze(timedelta(hours=1)),
}


@contextlib.contextmanager
def commits_cut(database: Database, count: int) -> Iterator[None]:
    """Close the connection under the next `count` commits."""
    left = [count]

    def cut(connection: Any) -> None:
        if left[0]:
            left[0] -= 1
            connection.connection.dbapi_connection.close()

    event.listen(database.engine, "commit", cut)
    yield
    event.remove(database.engine, "commit", cut)
    assert left == [0]


def test_a_bundle_whose_transaction_is_lost_is_done_again_in_the_same_attempt_and_once(
    database: Database, executor: Executor
) -> None:
    jobs = post_many(database, 5, tasks.effect, key="k")
    with commits_cut(database, 1):
        executor.execute(jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert {find(database, job).attempt for job in jobs} == {1}
    assert effects(database, "k") == 5


def test_a_bundle_that_is_lost_twice_costs_an_attempt(database: Database, executor: Executor) -> None:
    jobs = post_many(database, 5, tasks.effect, key="k")
    with commits_cut(database, 2):
        executor.execute(jobs)
    assert effects(database, "k") == 0
    assert set(states(database, *jobs)) == {State.RETRYING}
    change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp()")
    executor.execute(jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert {find(database, job).attempt for job in jobs} == {2}
    assert effects(database, "k") == 5


def test_jobs_that_all_succeed_share_one_session_and_need_no_savepoint(
    database: Database, executor: Executor, declare: Declare
) -> None:
    sessions = []

    def handler(ctx: Context) -> None:
        sessions.append(ctx.session)
        ctx.session.add(DemoEffect(key="k", job_id=ctx.job_id, attempt=ctx.attempt))

    task = declare(handler, bundle=10)
    jobs = [post(database, task) for _ in range(4)]
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    executor.execute(jobs)
    event.remove(database.engine, "before_cursor_execute", note)
    assert len(set(map(id, sessions))) == 1
    assert sum("INSERT INTO gristmill.demo_effects" in statement for statement in statements) == 1
    assert not any("SAVEPOINT" in statement for statement in statements)
    assert effects(database, "k") == 4


def test_a_neighbour_that_fails_sends_each_job_through_its_handler_again_and_costs_only_itself_an_attempt(
    database: Database, executor: Executor, declare: Declare
) -> None:
    calls: list[int] = []

    def handler(ctx: Context, *, number: int) -> None:
        calls.append(number)
        have_effect(ctx, "k")
        if number == 2:
            raise ConnectionError

    task = declare(handler, bundle=10)
    jobs = [post(database, task, number=number) for number in range(4)]
    executor.execute(jobs)
    assert calls == [0, 1, 2, 0, 1, 2, 3]
    assert states(database, *jobs) == [State.SUCCEEDED, State.SUCCEEDED, State.RETRYING, State.SUCCEEDED]
    assert effects(database, "k") == 3


class TestAHandlerForMany:
    """A task may take all jobs of a bundle by one call."""

    @pytest.fixture
    def calls(self) -> list[list[int]]:
        """Which numbers each call of a handler got."""
        return []

    @pytest.fixture
    def task(self, declare: Declare, calls: list[list[int]]) -> Any:
        def one(ctx: Context, *, number: int) -> Any:
            calls.append([number])
            have_effect(ctx, "k")
            return Discard("it is negative") if number < 0 else number

        def many(jobs: list[Call]) -> list[Any]:
            numbers = [job.args["number"] for job in jobs]
            calls.append(numbers)
            for job in jobs:
                have_effect(job.ctx, "k")
            if 13 in numbers:
                raise ConnectionError
            return numbers[1:] if 7 in numbers else [Discard("negative") if each < 0 else each for each in numbers]

        return declare(one, many=many, bundle=10)

    def test_gets_them_all_and_returns_the_result_of_each(
        self, database: Database, executor: Executor, task: Any, calls: list[list[int]]
    ) -> None:
        jobs = [post(database, task, number=number) for number in range(3)]
        executor.execute(jobs)
        assert calls == [[0, 1, 2]]
        assert [find(database, job).result for job in jobs] == [0, 1, 2]
        assert effects(database, "k") == 3

    @pytest.mark.parametrize("wrong", [13, 7, -1], ids=["raises", "loses one", "discards one"])
    def test_that_does_not_just_succeed_leaves_each_job_to_the_handler_for_one(
        self, database: Database, executor: Executor, task: Any, calls: list[list[int]], wrong: int
    ) -> None:
        jobs = [post(database, task, number=number) for number in (1, wrong, 2)]
        executor.execute(jobs)
        assert calls == [[1, wrong, 2], [1], [wrong], [2]]
        end = State.DEAD if wrong < 0 else State.SUCCEEDED
        assert states(database, *jobs) == [State.SUCCEEDED, end, State.SUCCEEDED]
        assert effects(database, "k") == (2 if wrong < 0 else 3)

    def test_is_not_asked_for_a_job_that_comes_alone(
        self, database: Database, executor: Executor, task: Any, calls: list[list[int]]
    ) -> None:
        executor.execute([post(database, task, number=1)])
        assert calls == [[1]]


def test_a_hint_of_many_tasks_runs_each_as_its_own_kind(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "outside")

    outside = declare(handler, effects="outside")
    jobs = [post(database, tasks.effect, key="k"), post(database, outside), post(database, tasks.echo, message="m")]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED] * 3
    assert (effects(database, "k"), effects(database, "outside")) == (1, 1)
