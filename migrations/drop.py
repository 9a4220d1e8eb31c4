"""Drop the tables of a plugin that is left out."""

from __future__ import annotations

from alembic import command
from sqlalchemy import text

from gristmill.migrations import migrating
from gristmill.migrations.chains import Chain, all_chains, chain_named, chains_of
from gristmill.migrations.state import read_state
from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.errors import MigrationError
from gristmill.shared.plugins.discover import left_out_plugins


def count_rows(database_url: str, name: str) -> dict[str, int]:
    """Return the number of rows in each table of a plugin that is left out.

    Raises:
        MigrationError: as of `drop_chain`.
    """
    chain = _chain_left_out(name)
    with migrating(database_url) as connection:
        counts: dict[str, int] = {}
        for table in chain.metadata.sorted_tables:
            if connection.execute(text("SELECT to_regclass(:name)"), {"name": table.fullname}).scalar_one() is not None:
                counts[table.fullname] = connection.execute(text(f"SELECT count(*) FROM {table.fullname}")).scalar_one()
        return counts


def drop_chain(database_url: str, name: str) -> None:
    """Take all revisions of a plugin back, which drops its tables, and its version table.

    Raises:
        MigrationError: the plugin is loaded, is not installed, or another one whose tables are there requires it.
    """
    chain = _chain_left_out(name)
    with migrating(database_url) as connection:
        _refuse_required(connection, chain)
        command.downgrade(chain.config(connection), "base")
        connection.execute(text(f"DROP TABLE IF EXISTS {SCHEMA}.{chain.version_table}"))
        connection.commit()


def _chain_left_out(name: str) -> Chain:
    if any(chain.name == name for chain in all_chains()):
        msg = f"The plugin {name} is loaded: leave it out of GRISTMILL_PLUGINS in all processes first"
        raise MigrationError(msg)
    return chain_named(name, chains_of(left_out_plugins()))


def _refuse_required(connection: object, chain: Chain) -> None:
    others = [*all_chains(), *chains_of(left_out_plugins())]
    for state in read_state(connection, others):  # type: ignore[arg-type]
        other = chain_named(state.name, others)
        if state.found and chain.name in other.requires:
            msg = f"The tables of {other.name} refer to those of {chain.name}: drop {other.name} first"
            raise MigrationError(msg)
