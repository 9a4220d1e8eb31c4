"""One attempt of a task without a job, with the contexts that a worker gives to handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from gristmill.shared.context import Context
from gristmill.shared.database.task_session import TaskSession
from gristmill.shared.outcomes import Cancel, Discard, Snooze

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database
    from gristmill.shared.task import Task


def attempt(database: Database, task: Task, args: Mapping[str, Any]) -> Any:
    """Run the handler of a task, and commit what it did on success.

    Args:
        database: the test's.
        task: with effects in the database, or outside.
        args: as JSON knows them.

    Raises:
        InvalidArgsError: they do not fit the schema.
        Exception: whatever the handler raises.
    """
    loaded = task.load_args(args)
    if task.effects == "outside":
        return _plain(task(_context(database, task, open_transaction=database.transaction), **loaded))
    with database.engine.connect() as connection, connection.begin() as transaction:
        session = TaskSession(
            connection, expire_on_commit=False, info=database.session_info, join_transaction_mode="rollback_only"
        )
        outcome = _plain(task(_context(database, task, bound_session=session), **loaded))
        session.finish()
        if isinstance(outcome, (Discard, Snooze, Cancel)):
            Session.rollback(session)
            transaction.rollback()
    return outcome


def _context(database: Database, task: Task, **values: Any) -> Context:
    settings, attempts = database.settings, task.retry.max_attempts
    return Context(job_id=uuid7(), task=task.name, attempt=1, max_attempts=attempts, settings=settings, **values)


def _plain(outcome: Any) -> Any:
    return outcome if isinstance(outcome, (Discard, Snooze, Cancel)) else orjson.loads(orjson.dumps(outcome))
