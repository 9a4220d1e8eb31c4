"""One job on real Postgres: whatever becomes of its attempt, its effects and its end are committed together."""

import contextlib
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from uuid_utils.compat import uuid7

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.operating.models import FeatureFlag
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.states import State
from gristmill.shared.task import registry
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.execute.handlers import RESULT_LIMIT
from tests import platform_tasks as tasks
from tests.factories import attempts, begin, change, effects, find, have_effect, hints, letters, post, state, states

Declare = Callable[..., Any]

# A thread, because a handler's own time limit takes the alarm clock that pytest-timeout would use.
pytestmark = pytest.mark.timeout(300, method="thread")


def test_a_handler_that_returns_ends_its_job_with_its_result_and_its_effects(
    database: Database, executor: Executor
) -> None:
    job = post(database, tasks.effect, key="k")
    assert executor.execute([job]) is False
    found = find(database, job)
    assert (found.state, found.attempt, found.result) == (State.SUCCEEDED, 1, {"key": "k"})
    assert (found.lease_until, found.worker) == (None, "test@here")
    assert effects(database, "k") == 1
    assert not attempts(database, job)


def test_a_handler_that_raises_leaves_no_effect_and_another_attempt(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context, *, key: str) -> None:
        have_effect(ctx, key)
        if ctx.attempt == 1:
            message = "the first time it fails"
            raise ConnectionError(message)

    job = post(database, declare(handler), key="k")
    assert executor.execute([job]) is False
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    (attempt,) = attempts(database, job)
    assert (attempt.attempt, attempt.outcome, attempt.error_type) == (1, "failed", "ConnectionError")
    assert attempt.error_message == "the first time it fails"
    assert "in handler" in (attempt.traceback or "")
    assert len(hints(database, job)) == 2

    assert executor.execute([job]) is False
    assert (state(database, job), effects(database, "k")) == (State.SUCCEEDED, 1)


def test_the_last_attempt_that_fails_leaves_a_dead_letter(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        raise TransientError(f"attempt {ctx.attempt}", code="FAR_SIDE_DOWN")

    job = post(database, declare(handler))
    assert [executor.execute([job]) for _ in range(4)] == [False, False, True, False]
    found = find(database, job)
    assert (found.state, found.attempt) == (State.DEAD, 3)
    assert [attempt.error_message for attempt in attempts(database, job)] == ["attempt 1", "attempt 2", "attempt 3"]
    (letter,) = letters(database, job)
    assert (letter.reason, letter.error_code, letter.attempts) == ("exhausted", "FAR_SIDE_DOWN", 3)


def test_a_permanent_error_ends_in_a_dead_letter_at_once(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        message = "the account is closed"
        raise PermanentError(message, code="ACCOUNT_CLOSED")

    job = post(database, declare(handler))
    assert executor.execute([job]) is True
    (letter,) = letters(database, job)
    assert (letter.reason, letter.error_code) == ("permanent", "ACCOUNT_CLOSED")
    assert effects(database, "k") == 0


def test_an_error_that_the_policy_gives_up_on_ends_in_a_dead_letter_at_once(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        raise KeyError("missing")

    job = post(database, declare(handler, retry=RetryPolicy(give_up_on=(KeyError,))))
    assert executor.execute([job]) is True
    assert [letter.reason for letter in letters(database, job)] == ["permanent"]


@pytest.mark.parametrize(
    ("outcome", "end", "reasons"),
    [(Discard("not needed", code="UNNEEDED"), State.DEAD, ["discarded"]), (Cancel("not wanted"), State.CANCELLED, [])],
)
def test_discard_and_cancel_end_the_job_and_undo_its_effects(
    database: Database, executor: Executor, declare: Declare, outcome: Any, end: State, reasons: list[str]
) -> None:
    def handler(ctx: Context) -> Any:
        have_effect(ctx, "k")
        return outcome

    job = post(database, declare(handler))
    assert executor.execute([job]) is (end is State.DEAD)
    assert (state(database, job), effects(database, "k")) == (end, 0)
    assert [letter.reason for letter in letters(database, job)] == reasons
    assert outcome.reason in [attempt.error_message for attempt in attempts(database, job)]


def test_a_snooze_keeps_the_effects_and_does_not_count(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> Snooze | None:
        have_effect(ctx, "k")
        return Snooze(timedelta(0)) if ctx.attempt < 5 else None

    job = post(database, declare(handler))
    for _ in range(4):
        executor.execute([job])
        assert state(database, job) == State.SCHEDULED
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.SUCCEEDED, 5)
    assert {attempt.outcome for attempt in attempts(database, job)} == {"snoozed"}


@pytest.mark.parametrize("method", ["commit", "rollback"])
def test_a_handler_may_neither_commit_nor_roll_back(
    database: Database, executor: Executor, declare: Declare, method: str
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        getattr(ctx.session, method)()

    job = post(database, declare(handler))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    (attempt,) = attempts(database, job)
    assert attempt.error_type == "RuntimeError"
    assert "A handler does not" in (attempt.error_message or "")


def test_sys_exit_in_a_handler_is_a_failed_attempt_and_not_the_end_of_the_worker(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        sys.exit(3)

    job = post(database, declare(handler))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    assert attempts(database, job)[0].error_type == "SystemExit"


@pytest.mark.parametrize(
    ("result", "code"),
    [(object(), "RESULT_INVALID"), ("x" * RESULT_LIMIT, "RESULT_TOO_LARGE")],
    ids=["no JSON", "large"],
)
def test_a_result_that_cannot_be_kept_is_a_dead_letter_without_effects(
    database: Database, executor: Executor, declare: Declare, result: Any, code: str
) -> None:
    def handler(ctx: Context) -> Any:
        have_effect(ctx, "k")
        return result

    job = post(database, declare(handler))
    assert executor.execute([job]) is True
    assert [letter.error_code for letter in letters(database, job)] == [code]
    assert effects(database, "k") == 0


def test_a_handler_beyond_its_time_limit_is_stopped_and_its_effects_undone(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        while True:
            pass

    job = post(database, declare(handler, time_limit=timedelta(seconds=1)))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    assert attempts(database, job)[0].error_code == "TASK_TIME_LIMIT_001"


def test_a_handler_that_breaks_a_constraint_only_at_the_flush_fails_its_attempt(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        ctx.session.add(FeatureFlag(name="twin"))

    change(database, "INSERT INTO gristmill.feature_flags (name) VALUES ('twin')")
    job = post(database, declare(handler))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)
    assert attempts(database, job)[0].error_type == "IntegrityError"


def test_a_handler_that_broke_its_transaction_and_went_on_fails_its_attempt(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "k")
        with contextlib.suppress(Exception):
            ctx.session.execute(text("SELECT 1 / 0"))

    job = post(database, declare(handler))
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.RETRYING, 0)


def test_a_part_that_may_fail_is_undone_by_itself(database: Database, executor: Executor, declare: Declare) -> None:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "kept")
        part = ctx.session.begin_nested()
        have_effect(ctx, "undone")
        part.rollback()

    job = post(database, declare(handler))
    executor.execute([job])
    assert state(database, job) == State.SUCCEEDED
    assert (effects(database, "kept"), effects(database, "undone")) == (1, 0)


def test_children_exist_if_and_only_if_their_parent_succeeds(
    database: Database, executor: Executor, declare: Declare
) -> None:
    children = []

    def handler(ctx: Context) -> None:
        children.append(ctx.enqueue(tasks.echo, message="child"))
        if ctx.attempt == 1:
            raise ConnectionError

    job = post(database, declare(handler), JobOptions(traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01"))
    executor.execute([job])
    assert not hints(database, children[0])
    executor.execute([job])
    child = find(database, children[1])
    assert (child.parent_id, child.state) == (job, State.QUEUED)
    assert child.traceparent == find(database, job).traceparent
    assert len(hints(database, children[1])) == 1


def test_a_job_that_waited_past_its_time_ends_as_expired_at_the_claim(database: Database, executor: Executor) -> None:
    job = post(database, tasks.effect, key="k")
    change(database, "UPDATE gristmill.jobs SET expires_at = clock_timestamp() - interval '1 second'")
    executor.execute([job])
    assert (state(database, job), effects(database, "k")) == (State.DEAD, 0)
    assert [letter.reason for letter in letters(database, job)] == ["expired"]


def test_a_hint_that_comes_again_does_nothing(database: Database, executor: Executor) -> None:
    done, running, ahead, good = (post(database, tasks.effect, key="k") for _ in range(4))
    executor.execute([done])
    begin(database, running)
    change(
        database,
        "UPDATE gristmill.jobs SET run_at = run_at + interval '1 hour', state = 'scheduled' WHERE id = :id",
        id=ahead,
    )
    before = states(database, done, running, ahead)

    executor.execute([done, running, ahead, uuid7(), good, good])

    assert states(database, done, running, ahead) == before
    assert find(database, running).attempt == 1
    assert state(database, good) == State.SUCCEEDED
    assert effects(database, "k") == 2


def test_a_job_of_a_task_that_this_worker_does_not_know_waits_for_one_that_does(
    database: Database, executor: Executor, declare: Declare
) -> None:
    task = declare(lambda _: None)
    job = post(database, task)
    registry.remove(task.name)
    executor.execute([job])
    registry.add(task)
    found = find(database, job)
    assert (found.state, found.max_attempts) == (State.SCHEDULED, 4)
    assert found.run_at > found.created_at
    assert len(hints(database, job)) == 2


def test_arguments_that_no_longer_fit_the_schema_are_a_failed_attempt(database: Database, executor: Executor) -> None:
    job = post(database, tasks.effect, key="k")
    change(database, "UPDATE gristmill.jobs SET args = '{\"other\": 1}'")
    executor.execute([job])
    assert attempts(database, job)[0].error_type == "InvalidArgsError"


def test_a_handler_sees_that_somebody_asked_for_its_job_to_be_cancelled(database: Database, executor: Executor) -> None:
    job = post(database, tasks.sleep, seconds=50)
    change(database, "UPDATE gristmill.jobs SET cancel_requested_at = clock_timestamp()")
    executor.execute([job])
    assert state(database, job) == State.CANCELLED


def test_a_flag_that_a_handler_added_is_there_when_its_job_has_ended(
    database: Database, executor: Executor, declare: Declare
) -> None:
    def handler(ctx: Context) -> None:
        ctx.session.add(FeatureFlag(name="added"))  # never flushed by the handler
        ctx.session.execute(insert(FeatureFlag).values(name="inserted"))

    job = post(database, declare(handler))
    executor.execute([job])
    assert state(database, job) == State.SUCCEEDED
    with database.transaction() as session:
        assert session.scalars(text("SELECT name FROM gristmill.feature_flags ORDER BY name")).all() == [
            "added",
            "inserted",
        ]
