"""Jobs that have ended, as a table looks after a while: written by the database itself, millions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name

_PIECE: Final = 500_000  # rows a transaction

# Spread over the last 90 days and ten producers; one in fifty is dead, one in ten has tags.
_INSERT: Final = """
    INSERT INTO gristmill.jobs (id, task, queue, args, state, max_attempts, attempt, run_at, producer_id, tags,
                      created_at, started_at, finished_at)
    SELECT uuidv7(-made.age), 'demo.echo', 'data_processing_queue', '{"message": "measured"}',
           CASE WHEN mod(n, 50) = 0 THEN 'dead' ELSE 'succeeded' END, 5, 1, now() - made.age,
           CAST('00000000-0000-7000-8000-00000000000' || mod(n, 10) AS uuid),
           CASE WHEN mod(n, 10) = 0 THEN ARRAY['history', 'tag-' || mod(n, 1000)] ELSE '{}' END,
           now() - made.age, now() - made.age, now() - made.age
    FROM generate_series(CAST(%(first)s AS bigint), %(last)s) AS n,
         LATERAL (SELECT interval '90 days' * (1 - n / CAST(%(rows)s AS double precision)) AS age) AS made
"""


def write_history(connection: PostgresConnection, rows: int) -> None:
    """Write `rows` ended jobs and have Postgres look at them, as autovacuum would have by then."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        for first in range(1, rows + 1, _PIECE):
            cursor.execute(_INSERT, {"first": first, "last": min(rows, first + _PIECE - 1), "rows": rows})
        cursor.execute("VACUUM (ANALYZE) gristmill.jobs")
        cursor.execute("CHECKPOINT")
