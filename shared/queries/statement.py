"""The statement of a move, with its states filled in from the one table of moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.states import MOVES, Move

if TYPE_CHECKING:
    from sqlalchemy import TextClause


MOVED_CHANNEL: Final = "gristmill_moved"
# A column of RETURNING: whoever follows this job is told its new state at the commit; otherwise nothing is sent.
_TELL: Final = f"""
    (CASE WHEN jobs.watched_until > statement_timestamp()
          THEN pg_notify('{MOVED_CHANNEL}', CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold
"""
_UNTOLD: Final = frozenset({Move.RUN_NOW, Move.REDRIVE})  # nothing has happened to the job yet


def move_statement(move: Move, sql: str) -> TextClause:
    """Fill in the states that `move` may start from (`{sources}`) and the one it ends in (`{target}`).

    A move tells those who follow the job: its RETURNING holds `{tell}`.
    """
    sources, target = MOVES[move]
    assert (move not in _UNTOLD) == ("{tell}" in sql), move  # noqa: S101  seen when the module is imported
    listed = ", ".join(f"'{state}'" for state in sorted(sources))
    return text(sql.replace("{sources}", listed).replace("{target}", f"'{target}'").replace("{tell}", _TELL))
