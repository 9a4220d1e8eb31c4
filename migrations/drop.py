"""Drop the tables of a plugin that is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gristmill.migrations import migrating
from gristmill.migrations.chains import Chain, all_chains, chain_named, chains_of
from gristmill.migrations.failures import explained
from gristmill.migrations.state import read_state
from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.errors import MigrationError
from gristmill.shared.plugins.discover import left_out_plugins

if TYPE_CHECKING:
    from sqlalchemy import Connection

_IS_THERE: Final = text("SELECT to_regclass(:name) IS NOT NULL")


def count_rows(database_url: str, name: str) -> dict[str, int]:
    """Return the number of rows in each table of a plugin that is left out.

    Raises:
        MigrationError: as of `drop_chain`.
    """
    chain = _chain_left_out(name)
    with migrating(database_url) as connection:
        counts: dict[str, int] = {}
        for table in _names(connection, chain):
            if connection.execute(_IS_THERE, {"name": table}).scalar_one():
                counts[table] = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return counts


def drop_chain(database_url: str, name: str) -> None:
    """Drop the tables of a plugin, and its version table, in one transaction.

    Raises:
        MigrationError: the plugin is loaded, is not installed, or another one whose tables are there requires it.
    """
    chain = _chain_left_out(name)
    with migrating(database_url) as connection:
        _refuse_required(connection, chain)
        tables = [*_names(connection, chain), f"{SCHEMA}.{chain.version_table}"]
        with explained(f"The drop of the tables of {name}"):
            connection.execute(text(f"DROP TABLE IF EXISTS {', '.join(tables)}"))
            connection.commit()


def _names(connection: Connection, chain: Chain) -> list[str]:
    return [connection.dialect.identifier_preparer.format_table(table) for table in chain.metadata.sorted_tables]


def _chain_left_out(name: str) -> Chain:
    if any(chain.name == name for chain in all_chains()):
        msg = f"The plugin {name} is loaded: leave it out of GRISTMILL_PLUGINS in all processes first"
        raise MigrationError(msg)
    return chain_named(name, chains_of(left_out_plugins()))


def _refuse_required(connection: Connection, chain: Chain) -> None:
    others = [*all_chains(), *chains_of(left_out_plugins())]
    for state in read_state(connection, others):
        other = chain_named(state.name, others)
        if state.found and chain.name in other.requires:
            msg = f"The tables of {other.name} refer to those of {chain.name}: drop {other.name} first"
            raise MigrationError(msg)
