"""An installation from before the plugins: its old revisions, and a row in every table."""

import uuid
from datetime import UTC, datetime
from typing import Any

from alembic import command
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from gristmill.migrations import before_plugins, migrating

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# What a check of the table asks for; other columns get any value of their type.
CHOSEN: dict[str, dict[str, Any]] = {
    "jobs": {"state": "queued", "task": "demo.effect", "queue": "data_processing_queue", "args": {"key": "kept"}},
    "attempts": {"outcome": "failed"},
    "dead_letters": {"reason": "exhausted"},
    "schedules": {"cron": "0 * * * *"},
    "notifications": {"channel": "in_app"},
    "records": {"status": "pending"},
    "users": {"role": "member"},
    "one_time_tokens": {"purpose": "verify_email"},
    "process_reports": {"kind": "relay"},
    "idempotency_keys": {"state": "queued"},
    "outbox": {"task": "demo.effect", "queue": "data_processing_queue", "due_at": NOW},
}


def install(url: str, revision: str = "head", *, schema: str = "public") -> None:
    """Make the tables of an old revision, each with one row."""
    with migrating(url) as connection:
        connection.execute(text(f"SET search_path = {schema}"))
        connection.commit()
        command.upgrade(before_plugins.config(connection, schema), revision)
        _fill(connection, schema)
        connection.commit()


Rows = dict[str, list[dict[str, Any]]]


def rows(connection: Connection, schema: str) -> Rows:
    """Return the rows of every table that an old installation has."""
    tables = sorted(table for names in before_plugins.TABLES.values() for table in names)
    return {table: _rows_of(connection, f"{schema}.{table}") for table in tables}


def without_new_columns(found: Rows, before: Rows) -> Rows:
    """Return `found` without the columns that later revisions have added."""
    return {
        table: [{name: each[name] for name in old} for each, old in zip(found[table], olds, strict=True)]
        for table, olds in before.items()
    }


def _rows_of(connection: Connection, table: str) -> list[dict[str, Any]]:
    return list(connection.execute(text(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY 1")).scalars())


def _fill(connection: Connection, schema: str) -> None:
    metadata = MetaData()
    metadata.reflect(connection, schema=schema, only=lambda name, _metadata: name != "alembic_version")
    made: dict[str, dict[str, Any]] = {}
    for table in metadata.sorted_tables:
        row = _row(table, made)
        connection.execute(table.insert().values(row))
        made[table.name] = row


def _row(table: Table, made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    row = dict(CHOSEN.get(table.name, {}))
    for column in table.columns:
        for key in column.foreign_keys:
            _schema, other, name = key.target_fullname.split(".")
            row[column.name] = made[other][name]
        if column.name == "job_id" and "jobs" in made and not table.name.startswith("jobs"):
            row.setdefault("job_id", made["jobs"]["id"])
        if column.name not in row and not column.nullable and column.server_default is None and not column.identity:
            row[column.name] = _value(column.type)
    return row


def _value(kind: Any) -> Any:
    if isinstance(kind, JSONB):
        return {"a": 1}
    if isinstance(kind, ARRAY):
        return ["a"]
    values = {uuid.UUID: uuid.uuid4(), str: "a", int: 3, float: 1.5, bytes: b"a", bool: True, datetime: NOW}
    return values[kind.python_type]
