"""Compare the revisions of the database with those of the code, chain by chain."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from alembic.script import ScriptDirectory
from sqlalchemy import text

from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.errors import MigrationError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from gristmill.migrations.chains import Chain

_VERSION_TABLES: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r' "
    "AND relname ~ '^alembic_version(_[a-z0-9_]+)?$'"
)
_ID: Final = re.compile(r"""^revision(?:\s*:\s*str)?\s*=\s*["']([^"']+)["']""", re.MULTILINE)
_EXISTS: Final = text("SELECT to_regclass(:name) IS NOT NULL")


@dataclass(frozen=True, slots=True)
class ChainState:
    """The heads of a chain: those that the database has, and those that the code needs."""

    name: str
    found: frozenset[str]
    needed: frozenset[str]

    @property
    def is_current(self) -> bool:
        """True when the database has what the code needs."""
        return self.found == self.needed

    def __str__(self) -> str:
        return f"{self.name} at {', '.join(sorted(self.found)) or 'nothing'}"


def read_state(session: Session | Connection, chains: Sequence[Chain]) -> list[ChainState]:
    """Return the state of each chain."""
    found = _read_versions(session)
    return [ChainState(each.name, found.get(each.version_table, frozenset()), needed_heads(each)) for each in chains]


def _read_versions(session: Session | Connection) -> dict[str, frozenset[str]]:
    """Return the revisions in each version table, by its name."""
    tables = list(session.execute(_VERSION_TABLES, {"schema": SCHEMA}).scalars())
    if not tables:
        return {}
    parts = [f"SELECT '{table}' AS name, version_num FROM {SCHEMA}.{table}" for table in tables]
    found: dict[str, set[str]] = {}
    for row in session.execute(text(" UNION ALL ".join(parts))):
        found.setdefault(row.name, set()).add(row.version_num)
    return {name: frozenset(revisions) for name, revisions in found.items()}


def explain_lag(states: Sequence[ChainState]) -> str | None:
    """Return which chains the database lacks revisions of, as a sentence; None when it is current."""
    lags = [
        f"{state}, and this version needs {', '.join(sorted(state.needed))}" for state in states if not state.is_current
    ]
    return "; ".join(lags) or None


@cache
def needed_heads(chain: Chain) -> frozenset[str]:
    """Return the heads of the code.

    Raises:
        MigrationError: two revisions have one id, or the chain has two heads; says what to do.
    """
    script = read_script(chain)
    heads = frozenset(script.get_heads())
    if len(heads) > 1:
        msg = f"The migrations of {chain.name} have {len(heads)} heads ({', '.join(sorted(heads))}) in {chain.folder}: "
        raise MigrationError(
            msg + 'two were made side by side; join them with `gristmill db revision --merge -m "join"`'
        )
    return heads


def read_script(chain: Chain) -> ScriptDirectory:
    """Return the revisions in the folder of a chain.

    Raises:
        MigrationError: two of them have one id, or one follows a revision that is not there. Alembic would warn of the
            former, and silently skip one.
    """
    script = ScriptDirectory.from_config(chain.config())
    _refuse_doubled(chain)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            script.get_heads()
    except Exception as error:  # a revision is Python, which fails as it likes
        msg = f"The migrations of {chain.name} in {chain.folder} cannot be read: {error}. Nothing was applied"
        raise MigrationError(msg) from error
    return script


def _refuse_doubled(chain: Chain) -> None:
    files: dict[str, str] = {}
    for file in sorted(chain.folder.glob("*.py")):
        for found in _ID.findall(file.read_text(encoding="utf-8")):
            if found in files:
                msg = (
                    f"Two migrations of {chain.name} have the id {found}: {files[found]} and {file.name} in "
                    f"{chain.folder}. Give one of them another id, and another place in the line. Nothing was applied"
                )
                raise MigrationError(msg)
            files[found] = file.name


def applied(connection: Connection, chain: Chain) -> frozenset[str]:
    """Return the revisions that the version table of a chain holds."""
    return _read_versions(connection).get(chain.version_table, frozenset())


def refuse_unknown(connection: Connection, chain: Chain) -> None:
    """Refuse to upgrade a database with revisions or tables that the chain does not explain.

    Raises:
        MigrationError: names the revision or the table, and says what to do.
    """
    script = read_script(chain)
    found = applied(connection, chain)
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = sorted(found - known)
    if unknown:
        msg = (
            f"The database has the revision {', '.join(unknown)} of {chain.name}, and {chain.folder} has no such file. "
            "It was renamed or deleted (put it back), or made by newer code (deploy that). Nothing was applied"
        )
        raise MigrationError(msg)
    if not found:
        _refuse_foreign_tables(connection, chain)


def _refuse_foreign_tables(connection: Connection, chain: Chain) -> None:
    for table in chain.metadata.tables.values():
        name = connection.dialect.identifier_preparer.format_table(table)
        if connection.execute(_EXISTS, {"name": name}).scalar_one():
            msg = (
                f"The table {name} of {chain.name} exists, and {SCHEMA}.{chain.version_table} names no revision. "
                f"If it is another program's, rename one of them; if it is yours, run `gristmill db "
                f"stamp {chain.name}`. Nothing was applied"
            )
            raise MigrationError(msg)
