"""Run revisions in one transaction, one process at a time, with a limit on every wait."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from gristmill.migrations.models import Base
from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.database.connect import driver_url

MIGRATION_LOCK = 0x6772697374  # "grist": the advisory lock that lets one process migrate at a time
LOCK_TIMEOUT = "5s"  # a migration that waits for a table lock blocks every statement behind it: fail and try again
STATEMENT_TIMEOUT = "15min"


def run() -> None:
    """Apply the revisions on a connection of its own."""
    engine = create_engine(driver_url(context.config.attributes["database_url"]), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', '60s', false)"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.execute(
            text("SELECT set_config('lock_timeout', :lock, false), set_config('statement_timeout', :statement, false)"),
            {"lock": LOCK_TIMEOUT, "statement": STATEMENT_TIMEOUT},
        )
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        if not context.config.attributes.get("compares"):
            connection.execute(text(f"SET search_path = {SCHEMA}"))  # the revisions name no schema
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_server_default=True,
            include_schemas=True,
            include_name=lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
            version_table_schema=SCHEMA,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
