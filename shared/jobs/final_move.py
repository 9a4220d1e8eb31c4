"""The end of a job: its final move, and with it the job that calls its producer back, where one is wanted."""

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


def end(session: Session, move: Direct, values: Mapping[str, Any]) -> set[Any]:
    """Execute a move into a final state and return the first column of those that moved, their ids mostly.

    The delivery of a callback is enqueued in the same transaction: it is neither lost nor doubled, since the move is
    not either. Jobs without a callback cost nothing: the move itself says whether there is one.

    Args:
        session: in a transaction.
        move: made by `gristmill.shared.jobs.move_statement.direct_move`; its second column is `callback`.
        values: of its parameters.

    Raises:
        RuntimeError: the session commits each statement by itself, so that a callback could be lost.
    """
    if COMMITS_BY_ITSELF in session.info:
        msg = (
            "A job ends, and its callback is enqueued, in a transaction: open Database.transaction(), not autocommit()"
        )
        raise RuntimeError(msg)
    rows = move.rows(session, values)
    wanted = [row[1] for row in rows if row[1] is not None]
    if wanted:
        _enqueue(session, wanted)
    return {row[0] for row in rows}


def _enqueue(session: Session, wanted: Sequence[Mapping[str, Any]]) -> None:
    crash_point("callback.before_enqueue")
    insert_new(session, [_delivery(one) for one in wanted])
    crash_point("callback.after_enqueue")


def _delivery(wanted: Mapping[str, Any]) -> NewJob:
    """Return the job of a delivery; it has no time to live, for its tries take longer than that of its queue."""
    told = {name: value for name, value in wanted.items() if name != "args"}
    kind = {"task": TASK, "queue": QUEUE.name, "priority": "normal", "max_attempts": RETRY.max_attempts}
    return NewJob(uuid7(), wanted["args"], Terms(told | kind))
