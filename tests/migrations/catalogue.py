"""Read what a database has: its tables with their columns, constraints and indexes."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, pool, text

from gristmill.shared.database.connect import driver_url

_RELATIONS = text(
    """
    SELECT t.relname || '.' || c.attname || ' ' || format_type(c.atttypid, c.atttypmod)
           || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
           || CASE WHEN c.attnotnull THEN ' not null' ELSE '' END
           || CAST(c.attidentity AS text)
    FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
         LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = c.attnum
    WHERE t.relnamespace = to_regnamespace('gristmill') AND t.relkind = 'r'
    UNION ALL
    SELECT t.relname || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
    WHERE k.connamespace = to_regnamespace('gristmill') AND k.contype <> 'n'
    UNION ALL
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'gristmill'
    UNION ALL
    SELECT relname || ' ' || CAST(reloptions AS text) FROM pg_class
    WHERE relnamespace = to_regnamespace('gristmill') AND reloptions IS NOT NULL
    """
)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(driver_url(url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def relations(url: str) -> list[str]:
    """All that makes up the tables of the schema `gristmill`, but for the order of columns."""
    with connected(url) as connection:
        return sorted(connection.execute(_RELATIONS).scalars())


def tables(url: str, schema: str) -> set[str]:
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema")
    with connected(url) as connection:
        return set(connection.execute(query, {"schema": schema}).scalars())
