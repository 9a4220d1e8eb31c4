"""Apply the revisions of the core and of all plugins by Alembic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Final

from alembic import command
from sqlalchemy import create_engine, pool, text

from gristmill.migrations.before_plugins import LAST, TABLES, find_old, move_into_schema, move_statements
from gristmill.migrations.chains import Chain, all_chains
from gristmill.migrations.failures import explained, explained_wait
from gristmill.migrations.schema import make_schema, schema_statements
from gristmill.migrations.state import applied, explain_lag, needed_heads, read_state, refuse_unknown
from gristmill.shared.database.connect import driver_url
from gristmill.shared.errors import MigrationError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

# Of a text with our name, so that it is no number that an application locks itself.
_LOCK: Final = text("SELECT pg_advisory_lock(hashtextextended('gristmill.migrations', 0))")
LOCK_WAIT: Final = "60s"  # for another process that migrates
LOCK_TIMEOUT: Final = "5s"  # a migration that waits for a table lock blocks every statement behind it: try again
STATEMENT_TIMEOUT: Final = "15min"


def lag(session: Session) -> str | None:
    """Return which chains the database lacks revisions of, as a sentence; None when it is current."""
    return explain_lag(read_state(session, all_chains()))


def describe(session: Session) -> str:
    """Return the revisions of the database: `core at base, mail at mail_base`."""
    return ", ".join(map(str, read_state(session, all_chains())))


def upgrade(database_url: str, chains: Sequence[Chain] | None = None) -> None:
    """Upgrade the schema. Several processes may call this at once: one upgrades, the others wait.

    Everything is checked before anything is applied. Each chain has a transaction of its own.

    Args:
        database_url: of the database itself, not of a pooler.
        chains: those of the core and of all plugins by default, each after those that it requires.

    Raises:
        MigrationError: a revision is missing or doubled, a table is another program's, or the role may not create the
            schema; the message says what to do, and nothing was applied.
    """
    chosen = all_chains() if chains is None else chains
    for chain in chosen:
        needed_heads(chain)
    with migrating(database_url) as connection:
        make_schema(connection)
        with explained("The look at what the database has"):
            move_into_schema(connection)
            for chain in chosen:
                refuse_unknown(connection, chain)
            connection.commit()
        for chain in chosen:
            with explained(f"The migration of {chain.name}"):
                command.upgrade(chain.config(connection), "heads")


def stamp(database_url: str, chain: Chain) -> None:
    """Record that the tables of a chain are at its heads, without applying anything."""
    with migrating(database_url) as connection:
        make_schema(connection)
        command.stamp(chain.config(connection), "heads")


def missing_sql(database_url: str) -> str:
    """Return the SQL that applies the missing revisions of all chains, with the rows of their version tables.

    Raises:
        MigrationError: as of `upgrade`; and for an installation from before the plugins that is not at its last
            revision.
    """
    output = StringIO()
    with migrating(database_url) as connection:
        output.writelines(f"{statement};\n" for statement in schema_statements(connection))
        found = find_old(connection)
        if found is not None:
            output.write(_move_sql(*found))
        for chain in all_chains():
            _write_missing(output, connection, chain, was_moved=found is not None)
    return output.getvalue() or "-- nothing is missing\n"


def _move_sql(schema: str, revisions: set[str]) -> str:
    if LAST not in revisions:
        msg = (
            f"This database is at the revision {', '.join(sorted(revisions))} from before the plugins, and only what "
            f"follows {LAST} can be printed: run `gristmill db upgrade`, which moves it, or bring it to {LAST} with "
            "the version that made it"
        )
        raise MigrationError(msg)
    statements = move_statements(schema, is_shared=len(revisions) > 1)
    return "".join(f"{statement};\n" for statement in ["BEGIN", *statements, "COMMIT"]) + "\n"


def _write_missing(output: StringIO, connection: Connection, chain: Chain, *, was_moved: bool) -> None:
    if was_moved and chain.name in TABLES:
        found = frozenset({f"{chain.name}_base"})
    else:
        refuse_unknown(connection, chain)
        found = applied(connection, chain)
    if found != needed_heads(chain):
        config = chain.config(as_sql=True)
        config.output_buffer = output
        command.upgrade(config, f"{','.join(sorted(found)) or 'base'}:heads", sql=True)


@contextmanager
def migrating(database_url: str) -> Iterator[Connection]:
    """Open a connection that migrates alone, with a limit on every wait.

    Raises:
        MigrationError: another process has been migrating for a minute.
    """
    engine = create_engine(driver_url(database_url), poolclass=pool.NullPool)
    try:
        with engine.connect() as connection:
            with explained_wait():
                connection.execute(text("SELECT set_config('statement_timeout', :wait, false)"), {"wait": LOCK_WAIT})
                connection.execute(_LOCK)
            connection.execute(
                text("SELECT set_config('lock_timeout', :lock, false), set_config('statement_timeout', :most, false)"),
                {"lock": LOCK_TIMEOUT, "most": STATEMENT_TIMEOUT},
            )
            connection.commit()
            yield connection
    finally:
        engine.dispose()
