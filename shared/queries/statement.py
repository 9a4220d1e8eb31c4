"""The statement of a move, with its states filled in from the one table of moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from shared.states import FINAL, MOVES, Move

if TYPE_CHECKING:
    from sqlalchemy import TextClause


ENDED_CHANNEL: Final = "gristmill_ended"
# A column of RETURNING: whoever waits for the end of this job is told at the commit; otherwise nothing is sent.
_TELL: Final = f"""
    (CASE WHEN jobs.watched_until > statement_timestamp()
          THEN pg_notify('{ENDED_CHANNEL}', CAST(jobs.id AS text)) END) IS NULL AS untold
"""


def move_statement(move: Move, sql: str) -> TextClause:
    """Fill in the states that `move` may start from (`{sources}`) and the one it ends in (`{target}`).

    A move into a final state tells those who wait for it: its RETURNING holds `{tell}`.
    """
    sources, target = MOVES[move]
    assert (target in FINAL) == ("{tell}" in sql), move  # noqa: S101  seen when the module is imported
    listed = ", ".join(f"'{state}'" for state in sorted(sources))
    return text(sql.replace("{sources}", listed).replace("{target}", f"'{target}'").replace("{tell}", _TELL))
