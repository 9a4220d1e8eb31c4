"""Call handlers, each with its context, its arguments and its time limit, and check what they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from gristmill.shared.base.sealing import unseal
from gristmill.shared.context import Call, Context
from gristmill.shared.errors import PermanentError
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.workers.execute.time_limit import TimeLimit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.moves import Claimed
    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Task

# What a handler may raise that ends its attempt and not its process: `sys.exit()` in a handler is a failure, too.
HANDLER_ERRORS: Final = (Exception, SystemExit)
RESULT_LIMIT: Final = 65_536  # bytes of JSON: a result is an answer, not a document


@dataclass(frozen=True, slots=True)
class Handlers:
    """Calls the handlers of one worker process, inside `alarm_clock()`."""

    settings: Settings

    def call(
        self,
        task: Task,
        job: Claimed,
        *,
        is_cancelled: Callable[[], bool],
        session: Session | None = None,
        open_transaction: Callable[[], AbstractContextManager[Session]] | None = None,
    ) -> Any:
        """Return the outcome of one job's handler; it raises what the handler raises.

        Raises:
            TimeLimitExceededError: it ran longer than its task allows.
        """
        return _run(task, self._call(task, job, is_cancelled, session, open_transaction))

    def call_many(
        self,
        task: Task,
        jobs: Sequence[Claimed],
        *,
        session: Session,
        is_cancelled: Callable[[Claimed], bool],
        is_stopping: Callable[[], bool],
    ) -> list[Any]:
        """Return the outcomes of jobs that share a session: by one call where the task has a handler for many.

        One by one, they end early when the worker was told to stop: the outcomes are those of the first jobs then.
        """
        calls = [self._call(task, job, lambda job=job: is_cancelled(job), session) for job in jobs]  # type: ignore[misc]
        if task.many is None:
            outcomes: list[Any] = []
            for call in calls:
                if outcomes and is_stopping():
                    break
                outcomes.append(_run(task, call))
            return outcomes
        with TimeLimit(task.time_limit * len(calls)):
            outcomes = list(task.many(calls))
        if len(outcomes) != len(calls):
            msg = f"The handler for many of {task.name} returned {len(outcomes)} results for {len(calls)} jobs"
            raise ValueError(msg)
        return outcomes

    def _call(
        self,
        task: Task,
        job: Claimed,
        is_cancelled: Callable[[], bool],
        session: Session | None,
        open_transaction: Callable[[], AbstractContextManager[Session]] | None = None,
    ) -> Call:
        context = Context(
            job_id=job.id,
            task=job.task,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            settings=self.settings,
            traceparent=job.traceparent,
            bound_session=session,
            open_transaction=open_transaction,
            is_cancelled=is_cancelled,
        )
        return Call(context, task.load_args(unseal(self.settings.secret_key, job.args, task.secret_args)))


def _run(task: Task, call: Call) -> Any:
    with TimeLimit(task.time_limit):
        return task(call.ctx, **call.args)


def is_plain(outcome: Any) -> bool:
    """Say whether the handler has just succeeded, and wants nothing else to become of its job."""
    return not isinstance(outcome, (Discard, Cancel, Snooze))


def checked(outcome: Any) -> Any:
    """Return the result of a handler as JSON knows it, None for an outcome that is not a result.

    Raises:
        PermanentError: it is no JSON, or too large; running the handler again would not change that.
    """
    if outcome is None or not is_plain(outcome):
        return None
    try:
        encoded = orjson.dumps(outcome)
    except orjson.JSONEncodeError as error:
        msg = f"The handler returned what JSON cannot hold: {error}"
        raise PermanentError(msg, code="RESULT_INVALID") from error
    if len(encoded) > RESULT_LIMIT:
        msg = f"The handler returned {len(encoded)} bytes; a result may have {RESULT_LIMIT}"
        raise PermanentError(msg, code="RESULT_TOO_LARGE")
    return orjson.loads(encoded)
