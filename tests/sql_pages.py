"""Write the statements of the life of a job as pages, one file each: `python -m tests.sql_pages` from a clone's root.

The statements are put together from pieces when their modules are imported. A page shows the text as Postgres receives
it, with `:name` for each value, so that it can be reviewed in a diff, pasted and explained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import CodeType, FunctionType, ModuleType

from sqlalchemy import TextClause

from gristmill.shared import jobs
from gristmill.shared.database.direct import Direct
from gristmill.shared.database.prepared import Prepared
from gristmill.shared.states import MOVES, Move
from tests.sql_layout import lay_out

FOLDER = Path(__file__).parents[1] / "docs" / "sql"
PACKAGE = "gristmill."


@dataclass(frozen=True)
class Page:
    """One statement: its name, the functions that execute it, and its text."""

    name: str
    functions: tuple[str, ...]
    sql: str

    @property
    def move(self) -> Move | None:
        """The move that the statement is, by its name."""
        return next((move for move in Move if re.fullmatch(rf"{move}(?:_one)?", self.name)), None)

    @property
    def text(self) -> str:
        """The content of the file."""
        head = [f"-- {function}" for function in self.functions]
        if self.move is not None:
            moves = MOVES[self.move]
            sources, targets = (", ".join(sorted(states)) for states in (moves.sources, moves.targets))
            head.append(f"-- {sources} -> {targets}")
        return "\n".join([*head, "", lay_out(self.sql)]) + ";\n"


def collect() -> dict[str, Page]:
    """Return every statement of `shared/jobs` by its name."""
    modules = [import_module(each.name) for each in walk_packages(jobs.__path__, f"{jobs.__name__}.")]
    pages: dict[str, Page] = {}
    for name, statement in {pair for module in modules for pair in _statements_of(module)}:
        page = Page(
            name.strip("_").lower(), tuple(sorted(_functions_with(name, statement, modules))), _sql_of(statement)
        )
        assert page.name not in pages, f"two statements are called {page.name}"
        pages[page.name] = page
    return dict(sorted(pages.items()))


def write() -> None:
    """Write a file for each statement, and remove those of statements that are gone."""
    FOLDER.mkdir(exist_ok=True)
    pages = collect()
    for file in FOLDER.glob("*.sql"):
        if file.stem not in pages:
            file.unlink()
    for page in pages.values():
        (FOLDER / f"{page.name}.sql").write_text(page.text)


Statement = Direct | Prepared | TextClause


def _statements_of(module: ModuleType) -> Iterator[tuple[str, Statement]]:
    for name, value in vars(module).items():
        if isinstance(value, Statement):
            yield name, value


def _sql_of(statement: Statement) -> str:
    return statement.text if isinstance(statement, TextClause) else statement.statement.text


def _functions_with(name: str, statement: Statement, modules: list[ModuleType]) -> Iterator[str]:
    """Yield `module.function` for each function that names the statement."""
    for module in modules:
        for function in vars(module).values():
            is_ours = isinstance(function, FunctionType) and function.__module__ == module.__name__
            if is_ours and vars(module).get(name) is statement and name in _names_in(function.__code__):
                yield f"{module.__name__.removeprefix(PACKAGE)}.{function.__name__}"


def _names_in(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names_in(part) for part in code.co_consts if isinstance(part, CodeType)))


if __name__ == "__main__":
    write()
