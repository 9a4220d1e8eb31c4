"""Write the statements of the hot path as pages, one file each: `python -m tests.sql_pages` from the root of a clone.

The statements are put together from pieces when their modules are imported. A page shows the text as Postgres receives
it, with `:name` for each value, so that it can be reviewed in a diff, pasted and explained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sqlalchemy import TextClause

from gristmill.shared.database.direct import Direct
from gristmill.shared.database.prepared import Prepared
from gristmill.shared.states import MOVES, Move

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "sql"
MOVES_MODULES = ("moves.attempt", "moves.by_hand", "moves.failed", "moves.give_back", "moves.unclaimed")
MODULES = ("insert_statement", *MOVES_MODULES, "leases", "outbox")
CLAUSE = re.compile(
    r"(?:WITH|SELECT|FROM|WHERE|UPDATE|SET|INSERT|DELETE|VALUES|RETURNING|ORDER|GROUP|ON|FOR|LIMIT|JOIN|LATERAL|DO)\b"
)
LONG_COLUMN = re.compile(r", (\(?CASE WHEN jobs\.)")
CONDITION = re.compile(r"(?:AND|OR)\b")


@dataclass(frozen=True)
class Page:
    """One statement: its name, the module that executes it, and its text."""

    name: str
    module: str
    sql: str

    @property
    def move(self) -> Move | None:
        """The move that the statement is, by its name."""
        return next((move for move in Move if re.fullmatch(rf"{move}(?:_one)?", self.name)), None)

    @property
    def text(self) -> str:
        """The content of the file."""
        head = [f"-- {self.name}: shared/jobs/{self.module.replace('.', '/')}.py"]
        if self.move is not None:
            moves = MOVES[self.move]
            sources, targets = (", ".join(sorted(states)) for states in (moves.sources, moves.targets))
            head.append(f"-- {sources} -> {targets}")
        return "\n".join([*head, "", *_indented(self.sql)]) + ";\n"


def collect() -> dict[str, Page]:
    """Return every statement of the modules by its name."""
    pages = {}
    for name in MODULES:
        for page in _statements_of(import_module(f"gristmill.shared.jobs.{name}"), name):
            assert page.name not in pages, f"two statements are called {page.name}"
            pages[page.name] = page
    return pages


def write() -> None:
    """Write a file for each statement, and remove those of statements that are gone."""
    FOLDER.mkdir(exist_ok=True)
    pages = collect()
    for file in FOLDER.glob("*.sql"):
        if file.stem not in pages:
            file.unlink()
    for page in pages.values():
        (FOLDER / f"{page.name}.sql").write_text(page.text)


def _statements_of(module: ModuleType, name: str) -> Iterator[Page]:
    for attribute, value in vars(module).items():
        if isinstance(value, Direct | Prepared | TextClause):
            text = value.text if isinstance(value, TextClause) else value.statement.text
            yield Page(attribute.strip("_").lower(), name, text)


def _indented(sql: str) -> Iterator[str]:
    """Yield the lines of a statement, indented by its parentheses; a line that continues a clause stands deeper."""
    depth = 0
    for line in (each.strip() for each in LONG_COLUMN.sub(r",\n\1", sql).strip().splitlines()):
        if not line:
            continue
        level = depth - (len(line) - len(line.lstrip(")")))
        extra = 0 if CLAUSE.match(line) or line.startswith(")") else 2 if CONDITION.match(line) else 4
        yield " " * (4 * level + extra) + line
        bare = re.sub(r"'[^']*'", "", line)
        depth += bare.count("(") - bare.count(")")


if __name__ == "__main__":
    write()
