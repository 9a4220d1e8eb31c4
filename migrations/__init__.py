"""Apply the revisions of the core and of all plugins by Alembic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Final

from alembic import command
from sqlalchemy import create_engine, pool, text
from sqlalchemy.exc import ProgrammingError

from gristmill.migrations.before_plugins import is_old, move_into_schema
from gristmill.migrations.chains import Chain, all_chains
from gristmill.migrations.state import applied, explain_lag, needed_heads, read_state, refuse_unknown
from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.database.connect import driver_url
from gristmill.shared.errors import MigrationError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

MIGRATION_LOCK: Final = 0x6772697374  # "grist": the advisory lock that lets one process migrate at a time
LOCK_TIMEOUT: Final = "5s"  # a migration that waits for a table lock blocks every statement behind it: try again
STATEMENT_TIMEOUT: Final = "15min"
_MAY_NOT: Final = "42501"  # insufficient_privilege


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
        move_into_schema(connection)
        make_schema(connection)
        for chain in chosen:
            refuse_unknown(connection, chain)
        connection.commit()
        for chain in chosen:
            command.upgrade(chain.config(connection), "heads")


def stamp(database_url: str, chain: Chain) -> None:
    """Record that the tables of a chain are at its heads, without applying anything."""
    with migrating(database_url) as connection:
        make_schema(connection)
        connection.commit()
        command.stamp(chain.config(connection), "heads")


def missing_sql(database_url: str) -> str:
    """Return the SQL that applies the missing revisions of all chains, with the rows of their version tables.

    Raises:
        MigrationError: as of `upgrade`; and for an installation from before the plugins, which `upgrade` must move.
    """
    output = StringIO()
    with migrating(database_url) as connection:
        if is_old(connection):
            msg = "This database is from before the plugins: `gristmill db upgrade` moves it; it cannot be printed"
            raise MigrationError(msg)
        output.write(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};\n\n")
        for chain in all_chains():
            refuse_unknown(connection, chain)
            start = ",".join(sorted(applied(connection, chain))) or "base"
            config = chain.config(as_sql=True)
            config.output_buffer = output
            command.upgrade(config, f"{start}:heads", sql=True)
    return output.getvalue()


@contextmanager
def migrating(database_url: str) -> Iterator[Connection]:
    """Open a connection that migrates alone, with a limit on every wait."""
    engine = create_engine(driver_url(database_url), poolclass=pool.NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT set_config('statement_timeout', '60s', false)"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            connection.execute(
                text("SELECT set_config('lock_timeout', :lock, false), set_config('statement_timeout', :most, false)"),
                {"lock": LOCK_TIMEOUT, "most": STATEMENT_TIMEOUT},
            )
            connection.commit()
            yield connection
    finally:
        engine.dispose()


def make_schema(connection: Connection) -> None:
    """Create the schema of the platform, if there is none, and keep it out of the search path of the role.

    Raises:
        MigrationError: the role may not; says what to run.
    """
    if not connection.execute(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": SCHEMA}).scalar_one():
        _create_schema(connection)
    # A role called gristmill finds this schema by the `"$user"` of the default search path: a table of the team, whose
    # statements name no schema, would be made here, and its own `users` would be ours.
    if connection.execute(text("SELECT current_schema()")).scalar_one() == SCHEMA:
        name = connection.execute(text("SELECT quote_ident(current_database())")).scalar_one()
        connection.execute(text(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET search_path = public"))
        connection.execute(text("SELECT set_config('search_path', 'public', false)"))


def _create_schema(connection: Connection) -> None:
    try:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _MAY_NOT:
            raise
        connection.rollback()
        role, name = connection.execute(text("SELECT quote_ident(current_user), quote_ident(current_database())")).one()
        msg = (
            f"The role {role} may not create the schema {SCHEMA}. Let the owner of the database run "
            f"`GRANT CREATE ON DATABASE {name} TO {role}`, or `CREATE SCHEMA {SCHEMA} AUTHORIZATION {role}`"
        )
        raise MigrationError(msg) from error
