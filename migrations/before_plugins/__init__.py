"""Move an installation from before the plugins: its tables had no schema of their own, and one chain of revisions.

Revisions are numbered in the order in which they were begun. None with the numbers 0007, 0012 or 0014 to 0025 was ever
committed, so these are gaps; each revision names the one before it. None is added to them any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, text

from gristmill.migrations.failures import explained
from gristmill.shared.database.columns import NAMES, SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection

HERE: Final = Path(__file__).parent
LAST: Final = "0027"
# The tables of the last revision, by the chain that they belong to now, and the revision that its version table gets.
TABLES: Final = {
    "core": (
        "api_keys", "attempts", "audit_log", "dead_letters", "feature_flags", "fires", "held_hints", "idempotency_keys",
        "jobs", "outbox", "process_reports", "producers", "queue_controls", "queue_counts", "schedules",
        "webhook_secrets",
    ),
    "accounts": ("one_time_tokens", "sessions", "user_profiles", "users"),
    "demo": ("demo_effects",),
    "mail": ("email_messages",),
    "notifications": ("notifications",),
    "records": ("aggregated_stats", "measurements", "records", "streams"),
}  # fmt: skip
_OLD_LOCK: Final = text("SELECT pg_advisory_lock(:key)").bindparams(key=0x6772697374)  # that of the old `db upgrade`
_FROM_THE_FIRST: Final = ["alembic_version", "attempts", "dead_letters", "idempotency_keys", "jobs", "outbox"]
# Schemas with a version table beside tables that only we have: those of the search path, `public` in any case, since
# a team may have changed the path, and ours, which `"$user"` was for a role of this name.
_CANDIDATES: Final = text(
    """
    SELECT quote_ident(schema)
    FROM unnest(current_schemas(false) || CAST(:always AS name[])) WITH ORDINALITY AS known(schema, position)
    WHERE NOT EXISTS (SELECT 1 FROM unnest(CAST(:ours AS name[])) AS ours(name)
                      WHERE to_regclass(format('%I.%I', schema, ours.name)) IS NULL)
    ORDER BY position
    """
).bindparams(always=["public", SCHEMA], ours=_FROM_THE_FIRST)
log = structlog.get_logger(__name__)


class _OldChain:
    """As much of a chain as the environment of Alembic reads."""

    metadata = MetaData(naming_convention=NAMES)  # the old revisions name some constraints by it
    version_table = "alembic_version"


def config(connection: Connection, schema: str = "public") -> Config:
    """Return the configuration of Alembic for the old chain, in the schema where its tables are."""
    made = Config()
    made.set_main_option("script_location", str(HERE.parent))
    made.set_main_option("version_locations", str(HERE / "versions"))
    made.set_main_option("path_separator", "os")
    made.attributes |= {"chain": _OldChain(), "connection": connection, "as_sql": False}
    made.attributes["options"] = {"version_table_schema": schema, "include_schemas": False}
    return made


def find_old(connection: Connection) -> tuple[str, set[str]] | None:
    """Return the schema and the revisions of an old installation; None where there is none.

    A version table of a team's own has none of the old revisions, or is not beside tables of ours.
    """
    script = ScriptDirectory(str(HERE.parent), version_locations=[str(HERE / "versions")])
    ours = {revision.revision for revision in script.walk_revisions()}
    for schema in connection.execute(_CANDIDATES).scalars().all():
        revisions = set(connection.execute(text(f"SELECT version_num FROM {schema}.alembic_version")).scalars())
        if revisions & ours:
            return schema, revisions
    return None


def move_into_schema(connection: Connection) -> None:
    """Move the tables of an old installation into the schema `gristmill`, which exists; do nothing where there is none.

    Its tables are first brought to the last old revision. Then they change their schema in one transaction, which
    copies no data and waits for the locks of all tables as long as a migration may wait.

    Raises:
        MigrationError: another transaction holds a table, such as that of a process of the old version.
    """
    if find_old(connection) is None:
        connection.rollback()
        return
    connection.execute(_OLD_LOCK)
    found = find_old(connection)  # as the old `gristmill db upgrade` has left it, which may just have ended
    connection.commit()
    if found is not None:
        _move(connection, *found)


def _move(connection: Connection, schema: str, revisions: set[str]) -> None:
    path = connection.execute(text("SELECT current_setting('search_path')")).scalar_one()
    connection.execute(text(f"SET search_path = {schema}"))  # the old revisions name none
    connection.commit()
    with explained("The last migration of the old chain"):
        if LAST not in revisions:
            command.upgrade(config(connection, schema), "head")
            connection.commit()
    with explained(f"The move of the tables from {schema} to {SCHEMA}"):
        for statement in move_statements(schema, is_shared=len(revisions) > 1):
            connection.exec_driver_sql(statement)
        connection.execute(text("SELECT set_config('search_path', :path, false)"), {"path": path})
        connection.commit()
    log.info("schema.moved", of=schema, to=SCHEMA, tables=sum(map(len, TABLES.values())))


def move_statements(schema: str, *, is_shared: bool) -> list[str]:
    """Return the statements that move the tables from the last old revision to the base of each chain.

    Args:
        schema: where the tables are, quoted if need be.
        is_shared: the old version table holds revisions of others, too, and is left to them.
    """
    statements = []
    if schema != SCHEMA:
        tables = [f"{schema}.{table}" for tables in TABLES.values() for table in tables]
        # All at once: what waits for one lock and holds others would deadlock with the processes that still run.
        statements = [f"LOCK TABLE {', '.join(sorted(tables))} IN ACCESS EXCLUSIVE MODE"]
        statements += [f"ALTER TABLE {table} SET SCHEMA {SCHEMA}" for table in tables]
    statements.append(f"DELETE FROM {schema}.alembic_version WHERE version_num = '{LAST}'")
    if schema != SCHEMA and not is_shared:
        statements.append(f"DROP TABLE {schema}.alembic_version")
    for chain in TABLES:
        table = "alembic_version" if chain == "core" else f"alembic_version_{chain}"
        key = f"CONSTRAINT {table}_pkc PRIMARY KEY (version_num)"
        statements += [
            f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{table} (version_num varchar(32) NOT NULL, {key})",
            f"INSERT INTO {SCHEMA}.{table} VALUES ('{chain}_base')",
        ]
    return statements
