"""The statement of a move, with its states filled in from the one table of moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from shared.states import MOVES, Move

if TYPE_CHECKING:
    from sqlalchemy import TextClause


def move_statement(move: Move, sql: str) -> TextClause:
    """Fill in the states that `move` may start from (`{sources}`) and the one it ends in (`{target}`)."""
    sources, target = MOVES[move]
    listed = ", ".join(f"'{state}'" for state in sorted(sources))
    return text(sql.replace("{sources}", listed).replace("{target}", f"'{target}'"))
