"""Tables as they look after a while, written by the database itself: jobs in every state, and what hangs on them.

Of a hundred jobs that have ended 96 have succeeded, two are dead and two were cancelled. Their times lie in the last 90
days, those of live jobs in the last half minute; keys are made of the times. Whatever the number of rows, the shares
stay the same, but for what is rare: so a statement that reads a share of anything is seen to grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name

_PIECE: Final = 500_000  # rows a transaction
PRODUCERS: Final = [f"00000000-0000-7000-8000-00000000000{number}" for number in range(10)]
RARE_PRODUCER: Final = "00000000-0000-7000-8000-0000000000ff"
RARE_TASK: Final = "user.create"  # its three jobs, and all else that is rare, are the oldest of all
RARE_QUEUE: Final = "user_queue"
RARE_TAG: Final = "rare"
RARE_PRINT: Final = "e" * 16
TABLES: Final = ("jobs", "attempts", "dead_letters", "idempotency_keys", "outbox")

_JOBS: Final = f"""
    INSERT INTO gristmill.jobs (id, task, queue, args, state, max_attempts, attempt, run_at, lease_until, unique_key,
                      tags, parent_id, producer_id, created_at, started_at, finished_at, worker)
    SELECT made.id, task, queue, '{{"message": "measured"}}', state, 5,
           CASE WHEN state IN ('queued', 'scheduled') THEN 0 ELSE 1 END,
           CASE WHEN state IN ('scheduled', 'retrying') THEN now() + mod(n, 86400) * interval '1 second'
                                                             + interval '1 hour' ELSE at END,
           CASE WHEN state = 'running' THEN now() + interval '1 hour' END,
           CASE WHEN mod(n, 20) = 0 THEN 'unique-' || n END,
           CASE WHEN n <= 3 THEN ARRAY['{RARE_TAG}'] WHEN mod(n, 10) = 0 THEN ARRAY['history', 'tag-' || mod(n, 1000)]
                ELSE '{{}}' END,
           CASE WHEN mod(n, 20) = 1 THEN uuidv7(-made.age - interval '1 second') END,
           CAST(CASE WHEN n <= 3 THEN '{RARE_PRODUCER}' ELSE '{PRODUCERS[0][:-1]}' || mod(n, 10) END AS uuid),
           at, CASE WHEN state NOT IN ('queued', 'scheduled') THEN at END,
           CASE WHEN state IN ('succeeded', 'dead', 'cancelled') THEN at END, 'history@nowhere'
    FROM generate_series(CAST(%(first)s AS bigint), %(last)s) AS n,
         LATERAL (SELECT CASE WHEN n > %(ended)s THEN interval '10 seconds' * (%(rows)s - n) / %(live)s
                              ELSE interval '90 days' * (1 - n / CAST(%(ended)s AS double precision))
                                   + interval '20 seconds' END + interval '10 seconds' AS age) AS aged,
         LATERAL (SELECT age, now() - age AS at, uuidv7(-age) AS id,
                  CASE WHEN n <= 3 THEN '{RARE_TASK}' WHEN mod(n, 7) = 0 THEN 'email.send' ELSE 'demo.echo' END AS task,
                  CASE WHEN n <= 3 THEN '{RARE_QUEUE}' WHEN mod(n, 7) = 0 THEN 'email_queue'
                       ELSE 'data_processing_queue' END AS queue,
                  CASE WHEN n > %(ended)s THEN
                           (ARRAY['queued', 'queued', 'queued', 'scheduled', 'retrying', 'running'])[1 + mod(n, 6)]
                       WHEN mod(n, 49) = 3 THEN 'dead' WHEN mod(n, 49) = 7 THEN 'cancelled' ELSE 'succeeded' END
                  AS state
         ) AS made
"""  # noqa: S608  constants of this module
# What hangs on the jobs: each statement reads the table once. Hints of queued jobs are published but for the youngest
# third; half of the letters are still open; one job in ten came with a key, and the older half of the keys is over.
_REST: Final = (
    """
    INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at, ended_at, error_type, error_code,
                                    error_message)
    SELECT id, attempt, 'failed', worker, started_at, started_at, 'HistoryError', 'HISTORY_1', 'as it was asked to'
    FROM gristmill.jobs WHERE state IN ('dead', 'retrying')
    """,
    f"""
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message,
                              fingerprint, attempts, created_at, resolution, resolved_at, resolved_by)
    SELECT uuidv7(finished_at - now()), id, task, queue, CASE WHEN age = 1 THEN 'crash_loop' ELSE 'exhausted' END,
           'HistoryError', 'HISTORY_1', 'as it was asked to',
           CASE WHEN age = 1 THEN '{RARE_PRINT}' ELSE substr(md5(CAST(mod(age, 20) AS text)), 1, 16) END, attempt,
           finished_at, CASE WHEN mod(age, 2) = 0 THEN 'discarded' END, CASE WHEN mod(age, 2) = 0 THEN now() END,
           CASE WHEN mod(age, 2) = 0 THEN 'history' END
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS age FROM gristmill.jobs WHERE state = 'dead') AS dead
    """,  # noqa: S608  the same
    """
    INSERT INTO gristmill.idempotency_keys (producer_id, key, body_hash, job_id, state, run_at, created_at, expires_at)
    SELECT producer_id, 'key-' || id, md5(CAST(id AS text)), id, 'queued', run_at, created_at,
           now() + CASE WHEN mod(age, 2) = 0 THEN interval '12 hours' ELSE -age * interval '1 second' END
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS age FROM gristmill.jobs WHERE tags <> '{}') AS keyed
    """,
    """
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
    SELECT id, task, queue, run_at FROM gristmill.jobs
    WHERE state IN ('scheduled', 'retrying')
       OR (state = 'queued' AND id > (SELECT percentile_disc(0.67) WITHIN GROUP (ORDER BY id) FROM gristmill.jobs
                                      WHERE state = 'queued'))
    """,
)


def write_history(connection: PostgresConnection, rows: int, *, live: int) -> None:
    """Write `rows` jobs with all that belongs to them, and have Postgres look at them, as autovacuum would have.

    Args:
        connection: each statement commits by itself.
        rows: jobs, in every state.
        live: so many of them, the youngest, have not ended.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET work_mem = '64MB'")
        for first in range(1, rows + 1, _PIECE):
            cursor.execute(_JOBS, _values(first, rows, live))
        for statement in _REST:
            cursor.execute(statement)
        cursor.execute(f"VACUUM (ANALYZE) {', '.join(f'gristmill.{table}' for table in TABLES)}")
        cursor.execute("CHECKPOINT")


def _values(first: int, rows: int, live: int) -> dict[str, int]:
    return {"first": first, "last": min(rows, first + _PIECE - 1), "rows": rows, "live": live, "ended": rows - live}
