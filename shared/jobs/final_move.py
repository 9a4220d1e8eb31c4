"""Execute a move into a final state, and enqueue the callback of the job in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.database.connect import COMMITS_BY_ITSELF
from gristmill.shared.jobs.callbacks import QUEUE, RETRY, TASK
from gristmill.shared.jobs.insert import insert_new
from gristmill.shared.jobs.terms import NewJob, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from gristmill.shared.database.direct import Direct


def execute_final_move(session: Session, move: Direct, values: Mapping[str, Any]) -> set[Any]:
    """Execute a move into a final state and return the first column of the rows that moved, mostly their ids.

    The delivery of a callback is enqueued in the same transaction, so that it is neither lost nor doubled, like the
    move itself. Jobs without a callback cost nothing: the statement of the move returns whether there is one.

    Args:
        session: in a transaction.
        move: returned by `gristmill.shared.jobs.move_statement.direct_move`; its second column is `callback`.
        values: the parameters of the statement.

    Raises:
        RuntimeError: the session commits each statement by itself, so that a callback could be lost.
    """
    if COMMITS_BY_ITSELF in session.info:
        msg = "A final move and its callback are made in a transaction: open Database.transaction(), not autocommit()"
        raise RuntimeError(msg)
    rows = move.rows(session, values)
    callbacks = [row[1] for row in rows if row[1] is not None]
    if callbacks:
        _enqueue(session, callbacks)
    return {row[0] for row in rows}


def _enqueue(session: Session, callbacks: Sequence[Mapping[str, Any]]) -> None:
    crash_point("callback.before_enqueue")
    insert_new(session, [_delivery(callback) for callback in callbacks])
    crash_point("callback.after_enqueue")


def _delivery(callback: Mapping[str, Any]) -> NewJob:
    """Return the job that delivers a callback. It has no time to live: its retries outlast that of its queue."""
    columns = {name: value for name, value in callback.items() if name != "args"}
    constants = {"task": TASK, "queue": QUEUE.name, "priority": "normal", "max_attempts": RETRY.max_attempts}
    return NewJob(uuid7(), callback["args"], Terms(columns | constants))
