"""Write a migration of a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command

from gristmill.migrations import migrating
from gristmill.migrations.chains import Chain
from gristmill.migrations.state import applied, read_script, refuse_unknown
from gristmill.shared.errors import MigrationError


def write_revision(database_url: str, chain: Chain, message: str, *, empty: bool, merge: bool) -> list[Path]:
    """Write a revision into the folder of a chain, and return its path.

    Args:
        database_url: of a database at the head of the chain, which the metadata is compared with.
        chain: of the plugin.
        message: what it does; the file's name ends with it.
        empty: compare nothing.
        merge: join the heads of the chain.

    Raises:
        MigrationError: the database is not at the head, so that the comparison would repeat what is written already;
            or nothing differs.
    """
    with migrating(database_url) as connection:
        config = chain.config(connection)
        heads = read_script(chain).get_heads()
        if merge:
            return _paths(command.merge(config, "heads", message=message))
        if len(heads) > 1:
            msg = f"{chain.name} has two heads ({', '.join(sorted(heads))}): join them first, with --merge"
            raise MigrationError(msg)
        if empty:
            return _paths(command.revision(config, message))
        refuse_unknown(connection, chain)
        if applied(connection, chain) != frozenset(heads):
            msg = f"The database lacks migrations of {chain.name}: run `gristmill db upgrade` first"
            raise MigrationError(msg)
        connection.commit()
        made = command.revision(config, message, autogenerate=True, process_revision_directives=_leave_out_nothing)
        if not _paths(made):
            msg = f"The tables of {chain.name} are as its metadata says: there is nothing to write (--empty writes)"
            raise MigrationError(msg)
        return _paths(made)


def _leave_out_nothing(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Leave out a revision that would do nothing."""
    if directives[0].upgrade_ops.is_empty():
        directives.clear()


def _paths(made: Any) -> list[Path]:
    each = made if isinstance(made, list) else [made]
    return [Path(one.path) for one in each if one is not None]
