"""Build the statement of a move, with its states from the one table of moves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gristmill.shared.database.direct import Direct
from gristmill.shared.states import FINAL, MOVES, Move, sql_list

if TYPE_CHECKING:
    from sqlalchemy import TextClause


# Statements that find jobs by id compare `state || ''`, so that Postgres cannot replace the primary key by an index of
# live jobs. While it expects hardly any of those (among ten million jobs, or before a backlog is analyzed), it would
# read all of them to find one.
MOVED_CHANNEL: Final = "gristmill_moved"
# A column of RETURNING that notifies the followers of the job of its new state at the commit, if there are any.
_NOTIFY: Final = f"""
    (CASE WHEN jobs.watched_until > statement_timestamp()
          THEN pg_notify('{MOVED_CHANNEL}', CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold
"""
# A column of RETURNING with all that `final_move` needs to enqueue the callback; NULL for jobs without one.
_CALLBACK: Final = """
    CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object(
        'parent_id', jobs.id, 'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent,
        'args', jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state,
                                   'ended_at', jobs.finished_at, 'attempt', jobs.attempt)) END AS callback
"""
_SILENT: Final = frozenset({Move.RUN_NOW, Move.REDRIVE})  # nothing has happened to the job yet
_WRITTEN_STATE: Final = re.compile(r"SET\s+state\s*=[^,]*'")  # a state that is not from the table of moves


# The condition of every move that ends an attempt: another attempt may have begun since.
FENCED: Final = "id = :id AND attempt = :attempt AND state || '' IN ({sources})"


def move_statement(move: Move, sql: str) -> TextClause:
    """Fill in the states that `move` may start from (`{sources}`) and the state it ends in (`{target}`).

    `{target_until_due}` is the state for jobs that are not due yet, if the table of moves has one. The statement writes
    no other state.

    The RETURNING of a move holds `{notify}`, which notifies the followers of the job. A move into a final state also
    returns `{callback}`, and is executed by `gristmill.shared.jobs.final_move.execute_final_move`.
    """
    sources, target, target_until_due = MOVES[move]
    assert (move not in _SILENT) == ("{notify}" in sql), move  # noqa: S101  fails at import
    assert (target in FINAL) == ("{callback}" in sql), move  # noqa: S101  the same
    assert (target_until_due is not None) == ("{target_until_due}" in sql), move  # noqa: S101  the same
    assert _WRITTEN_STATE.search(sql) is None, move  # noqa: S101  the same
    parts = {
        "{sources}": sql_list(sources),
        "{target}": f"'{target}'",
        "{target_until_due}": f"'{target_until_due}'",
        "{notify}": _NOTIFY,
        "{callback}": _CALLBACK,
    }
    for name, part in parts.items():
        sql = sql.replace(name, part.strip())
    return text(sql)


def direct_move(move: Move, sql: str) -> Direct:
    """Fill in the states as `move_statement` does, for a move that the driver executes directly."""
    return Direct(move_statement(move, sql))
