"""The statement of a move, with its states filled in from the one table of moves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gristmill.shared.database.direct import Direct
from gristmill.shared.states import FINAL, MOVES, Move, sql_list

if TYPE_CHECKING:
    from sqlalchemy import TextClause


# Of jobs that are looked up by their ids the state is asked as `state || ''`: so Postgres cannot take an index of live
# jobs instead of the key. While it believes that there are hardly any (among ten million, or before a backlog is
# analyzed), it would read all of them to find one.
MOVED_CHANNEL: Final = "gristmill_moved"
# A column of RETURNING: whoever follows this job is told its new state at the commit; otherwise nothing is sent.
_TELL: Final = f"""
    (CASE WHEN jobs.watched_until > statement_timestamp()
          THEN pg_notify('{MOVED_CHANNEL}', CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold
"""
# Another: what `final_move` enqueues, put together where all of it is at hand; NULL where nobody is called.
_CALLBACK: Final = """
    CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object(
        'parent_id', jobs.id, 'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent,
        'args', jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state,
                                   'ended_at', jobs.finished_at, 'attempt', jobs.attempt)) END AS callback
"""
_UNTOLD: Final = frozenset({Move.RUN_NOW, Move.REDRIVE})  # nothing has happened to the job yet
_WRITTEN_STATE: Final = re.compile(r"SET\s+state\s*=[^,]*'")  # one that does not come from the table of moves


# The condition of every move that ends an attempt: another one may have taken over since.
FENCED: Final = "id = :id AND attempt = :attempt AND state || '' IN ({sources})"


def move_statement(move: Move, sql: str) -> TextClause:
    """Fill in the states that `move` may start from (`{sources}`) and the one it ends in (`{target}`).

    Where the table of moves has another one for jobs that are not due yet, this is `{target_until_due}`. The statement
    writes no other state.

    A move tells those who follow the job: its RETURNING holds `{tell}`. A move into a final state also returns who is
    called back, `{callback}`, and is executed by `gristmill.shared.jobs.final_move.end`.
    """
    sources, target, target_until_due = MOVES[move]
    assert (move not in _UNTOLD) == ("{tell}" in sql), move  # noqa: S101  seen when the module is imported
    assert (target in FINAL) == ("{callback}" in sql), move  # noqa: S101  the same
    assert (target_until_due is not None) == ("{target_until_due}" in sql), move  # noqa: S101  the same
    assert _WRITTEN_STATE.search(sql) is None, move  # noqa: S101  the same
    parts = {
        "{sources}": sql_list(sources),
        "{target}": f"'{target}'",
        "{target_until_due}": f"'{target_until_due}'",
        "{tell}": _TELL,
        "{callback}": _CALLBACK,
    }
    for name, part in parts.items():
        sql = sql.replace(name, part.strip())
    return text(sql)


def direct_move(move: Move, sql: str) -> Direct:
    """Fill in the states as `move_statement` does, for a move that is handed to the driver as it is."""
    return Direct(move_statement(move, sql))
