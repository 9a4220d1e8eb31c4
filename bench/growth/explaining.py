"""Explain the statements that are really sent: each plan is taken just before its statement runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

_EXPLAINABLE: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_SHOWN: Final = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Actual Rows", "Shared Hit Blocks")
_TRIES: Final = 2  # the first also passes by the index entries of dead rows, and marks them for the second


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan by which Postgres has run one statement.

    Attributes:
        buffers: pages it has looked at, in memory or not.
        nodes: the steps, the outermost first.
    """

    statement: str
    buffers: int
    nodes: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return "\n".join(" ".join(f"{name}: {node[name]}" for name in _SHOWN if name in node) for node in self.nodes)

    @property
    def scanned(self) -> list[str]:
        """The tables that were read from end to end."""
        return [node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"]

    @property
    def indexes(self) -> set[str]:
        """The indexes that were used."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}


@contextmanager
def explained(session: Session) -> Iterator[list[Plan]]:
    """Collect the plans of what `session` sends in this block. Each statement is run beforehand, in vain."""
    connection = session.connection()
    plans: list[Plan] = []

    def explain(_connection: Connection, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if not statement.lstrip(" \n(").startswith(_EXPLAINABLE):
            return
        tries: list[dict[str, Any]] = []
        for _each in range(_TRIES):
            cursor.execute("SAVEPOINT explained")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", parameters)
            tries.append(cursor.fetchone()[0][0]["Plan"])
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
        top = min(tries, key=_buffers)
        plans.append(Plan(statement, _buffers(top), tuple(_walk(top))))

    event.listen(connection, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(connection, "before_cursor_execute", explain)


def _buffers(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", []):
        yield from _walk(inner)
