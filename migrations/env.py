"""Run the revisions of one chain, on the connection or as the SQL that its configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic import context

from gristmill.shared.database.columns import SCHEMA

if TYPE_CHECKING:
    from gristmill.migrations.chains import Chain


def _include(_item: Any, _name: str | None, kind: str, is_reflected: bool, counterpart: Any) -> bool:
    """Leave tables alone that the chain does not declare: they are another plugin's, or the application's."""
    return not (kind == "table" and is_reflected and counterpart is None)


def run() -> None:
    """Apply the revisions, or print them."""
    attributes = context.config.attributes
    chain: Chain = attributes["chain"]
    options: dict[str, Any] = {
        "target_metadata": chain.metadata,
        "version_table": chain.version_table,
        "version_table_schema": SCHEMA,
        "include_schemas": True,
        "include_object": _include,
        "compare_server_default": True,
    } | attributes.get("options", {})
    if attributes["as_sql"]:
        # In the default style of the driver each % would be printed twice.
        context.configure(
            dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, literal_binds=True, **options
        )
    else:
        context.configure(connection=attributes["connection"], **options)
    with context.begin_transaction():
        context.run_migrations()


run()
