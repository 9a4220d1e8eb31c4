"""Move an installation from before the plugins: its tables were in the schema `public`, with one chain of revisions.

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
from sqlalchemy import text

from gristmill.shared.database.columns import SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection

HERE: Final = Path(__file__).parent
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
_OLD: Final = "public.alembic_version"
log = structlog.get_logger(__name__)


def config(connection: Connection) -> Config:
    """Return the configuration of Alembic for the old chain."""
    made = Config()
    made.set_main_option("script_location", str(HERE.parent))
    made.set_main_option("version_locations", str(HERE / "versions"))
    made.set_main_option("path_separator", "os")
    made.attributes |= {"chain": _OldChain(), "connection": connection, "as_sql": False}
    made.attributes["options"] = {"version_table_schema": "public", "include_schemas": False}
    return made


class _OldChain:
    """As much of a chain as the environment of Alembic reads."""

    metadata = None
    version_table = "alembic_version"


def move_into_schema(connection: Connection) -> None:
    """Move the tables of an old installation into the schema `gristmill`; do nothing where there is none.

    Its tables are first brought to the last old revision. Then they change their schema in one transaction, which
    copies no data and waits for each table's lock as long as a migration may.
    """
    if not is_old(connection):
        connection.rollback()
        return
    connection.execute(text("SELECT set_config('search_path', 'public', false)"))
    connection.commit()
    command.upgrade(config(connection), "head")
    connection.commit()
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    for chain, tables in TABLES.items():
        for table in tables:
            connection.execute(text(f"ALTER TABLE public.{table} SET SCHEMA {SCHEMA}"))
        version_table = "alembic_version" if chain == "core" else f"alembic_version_{chain}"
        key = f"CONSTRAINT {version_table}_pkc PRIMARY KEY"
        connection.execute(
            text(f"CREATE TABLE {SCHEMA}.{version_table} (version_num varchar(32) NOT NULL, {key} (version_num))")
        )
        connection.execute(text(f"INSERT INTO {SCHEMA}.{version_table} VALUES (:base)"), {"base": f"{chain}_base"})
    connection.execute(text(f"DROP TABLE {_OLD}"))
    connection.execute(
        text(
            "SELECT set_config('search_path', setting_default, false) FROM "
            "(SELECT reset_val AS setting_default FROM pg_settings WHERE name = 'search_path') AS it"
        )
    )
    connection.commit()
    log.info("schema.moved", schema=SCHEMA, tables=sum(map(len, TABLES.values())))


def is_old(connection: Connection) -> bool:
    """Say whether `public` has tables of ours with a revision of the old chain. A team's own have neither."""
    ours = "SELECT to_regclass('public.outbox') IS NOT NULL AND to_regclass('public.idempotency_keys') IS NOT NULL"
    if not connection.execute(text(f"{ours} AND to_regclass('{_OLD}') IS NOT NULL")).scalar_one():
        return False
    revisions = set(connection.execute(text(f"SELECT version_num FROM {_OLD}")).scalars())
    script = ScriptDirectory(str(HERE.parent), version_locations=[str(HERE / "versions")])
    return bool(revisions) and revisions <= {each.revision for each in script.walk_revisions()}
