"""Many jobs in one transaction: one that does not succeed takes nobody with it."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

import tasks
from shared.context import Context
from shared.db import Database
from shared.models import FeatureFlag
from shared.outcomes import Cancel, Discard, Snooze
from shared.states import State
from tests.factories import attempts, change, effects, find, have_effect, letters, post, post_many, states
from workers.executor import Executor

Declare = Callable[..., Any]

pytestmark = pytest.mark.timeout(60, method="thread")


def test_a_bundle_is_one_commit(database: Database, executor: Executor) -> None:
    jobs = post_many(database, 20, tasks.effect, key="k")
    executor.execute(jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    with database.transaction() as session:
        assert session.scalar(text("SELECT count(DISTINCT xmin::text) FROM jobs")) == 1
        assert session.scalar(text("SELECT count(*) FROM demo_effects")) == 20


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
    change(database, "INSERT INTO feature_flags (name) VALUES ('twin')")
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


def test_a_bundle_whose_transaction_is_lost_is_done_again_and_once(database: Database, executor: Executor) -> None:
    jobs = post_many(database, 5, tasks.effect, key="k")

    def cut(connection: Any) -> None:
        event.remove(database.engine, "commit", cut)
        connection.connection.dbapi_connection.close()

    event.listen(database.engine, "commit", cut)
    executor.execute(jobs)
    assert effects(database, "k") == 0
    assert set(states(database, *jobs)) == {State.RETRYING}
    change(database, "UPDATE jobs SET run_at = clock_timestamp()")
    executor.execute(jobs)
    assert set(states(database, *jobs)) == {State.SUCCEEDED}
    assert {find(database, job).attempt for job in jobs} == {2}
    assert effects(database, "k") == 5


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
