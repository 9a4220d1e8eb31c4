"""Run a task as a worker would, without a worker: arguments as JSON, its kind of context, effects only on success."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from uuid import UUID

import orjson
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.database.task_session import TaskSession
from gristmill.shared.outcomes import Cancel, Discard
from gristmill.shared.settings import Settings, load_settings
from gristmill.shared.task import Task

NOWHERE = {
    "GRISTMILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "GRISTMILL_BROKER_URL": "redis://127.0.0.1:1/0",
    "GRISTMILL_REDIS_URL": "redis://127.0.0.1:1/1",
    "GRISTMILL_SMTP_URL": "smtp://127.0.0.1:1",
    "GRISTMILL_SECRET_KEY": "only-for-tests-" + "k" * 32,
}


def make_settings(environment: dict[str, str] | None = None, **changes: Any) -> Settings:
    """Return settings that lead nowhere but to what `environment` and `changes` name."""
    with patch.dict(os.environ, NOWHERE | (environment or {}), clear=True):
        return replace(load_settings(None), **changes)


def make_context(task: Task, settings: Settings, **values: Any) -> Context:
    """Return a context that leads to no database, for a handler that needs none."""
    given = {"job_id": uuid7(), "attempt": 1, "max_attempts": task.retry.max_attempts, **values}
    return Context(task=task.name, settings=settings, **given)


@contextmanager
def database_context(database: Database, task: Task, **values: Any) -> Iterator[Context]:
    """Yield a context on one transaction, committed at the end; an exception rolls it back."""
    with database.engine.begin() as connection:
        session = TaskSession(
            connection, expire_on_commit=False, info=database.session_info, join_transaction_mode="rollback_only"
        )
        yield make_context(task, database.settings, bound_session=session, **values)
        session.finish()


def outside_context(database: Database, task: Task, **values: Any) -> Context:
    """Return a context that opens short transactions."""
    return make_context(task, database.settings, open_transaction=database.transaction, **values)


def perform(
    database: Database, task: Task, args: dict[str, Any], *, job_id: UUID | None = None, attempt: int = 1
) -> Any:
    """Run one attempt of `task` with `args` as a producer would post them; return what it returns, as JSON knows it.

    A `Discard` or `Cancel` is returned as it is, and rolls back.
    """
    loaded = task.load_args(orjson.loads(orjson.dumps(args)))
    values: dict[str, Any] = {"job_id": job_id or uuid7(), "attempt": attempt}
    if task.effects == "outside":
        return _plain(task(outside_context(database, task, **values), **loaded))
    with database_context(database, task, **values) as context:
        outcome = task(context, **loaded)
        if isinstance(outcome, (Discard, Cancel)):
            Session.rollback(context.session)
    return _plain(outcome)


def _plain(outcome: Any) -> Any:
    return outcome if isinstance(outcome, (Discard, Cancel)) else orjson.loads(orjson.dumps(outcome))
