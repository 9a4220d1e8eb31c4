"""The statements that write new jobs with their idempotency keys and hints, and read them back."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from gristmill.shared.database.prepared import Prepared
from gristmill.shared.states import LIVE, sql_list

# Terms that jobs share are sent once, and so are their times: of a thousand such jobs, only the ids and the arguments
# are read one by one.
_INCOMING: Final = """
    WITH terms AS (
        SELECT t.*, start.due_at, statement_timestamp() AS created_at,
               CASE WHEN start.due_at > statement_timestamp() THEN 'scheduled' ELSE 'queued' END AS state,
               coalesce(t.expires_at, start.due_at + t.time_to_live * interval '1 second') AS ends_at
        FROM json_to_recordset(CAST(:terms AS json)) AS t(
            number int, task text, queue text, priority text, max_attempts int, run_at timestamptz,
            delay double precision, expires_at timestamptz, time_to_live double precision, unique_key text,
            callback_url text, tags text[], parent_id uuid, producer_id uuid, traceparent text,
            ids uuid[], args jsonb, idempotency_keys text[], body_hashes text[]),
        LATERAL (
            SELECT greatest(coalesce(t.run_at, statement_timestamp() + coalesce(t.delay, 0) * interval '1 second'),
                            statement_timestamp()) AS due_at) AS start
    ), incoming AS (
        SELECT task, queue, state, priority, max_attempts, due_at, ends_at, unique_key, callback_url, tags, parent_id,
               producer_id, traceparent, created_at, job.*
        FROM terms, ROWS FROM (unnest(terms.ids), jsonb_array_elements(terms.args),
                               unnest(terms.idempotency_keys), unnest(terms.body_hashes))
                    AS job(id, args, idempotency_key, body_hash)
    )"""
# Both inserts with a unique key are ordered by it: two such statements wait for each other instead of deadlocking.
_KEYED: Final = """, keyed AS (
        INSERT INTO gristmill.idempotency_keys (producer_id, key, body_hash, job_id, state, run_at, job_expires_at,
                                      created_at, expires_at)
        SELECT DISTINCT ON (producer_id, idempotency_key) producer_id, idempotency_key, body_hash, id, state, due_at,
               ends_at, created_at, created_at + interval '24 hours'
        FROM incoming WHERE idempotency_key IS NOT NULL
        ORDER BY producer_id, idempotency_key, id
        ON CONFLICT (producer_id, key) DO UPDATE
        SET body_hash = excluded.body_hash, job_id = excluded.job_id, state = excluded.state,
            run_at = excluded.run_at, job_expires_at = excluded.job_expires_at, created_at = excluded.created_at,
            expires_at = excluded.expires_at, duplicate = false
        WHERE idempotency_keys.expires_at <= statement_timestamp() OR idempotency_keys.job_id = excluded.job_id
        RETURNING job_id
    )"""
_JOBS: Final = """, inserted AS (
        INSERT INTO gristmill.jobs (id, task, queue, args, state, priority, max_attempts, run_at, expires_at,
                          unique_key, callback_url, tags, parent_id, producer_id, traceparent, created_at)
        SELECT id, task, queue, args, state, priority, max_attempts, due_at, ends_at, unique_key, callback_url,
               coalesce(tags, '{}'), parent_id, producer_id, traceparent, created_at
        FROM incoming"""
_UNLESS_KNOWN: Final = f"""
        WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM keyed)
        ORDER BY unique_key NULLS FIRST, task, producer_id, id
        ON CONFLICT (task, unique_key, producer_id)
            WHERE unique_key IS NOT NULL AND state IN ({sql_list(LIVE)})
            DO NOTHING"""
_WITH_HINTS: Final = """
        RETURNING id, task, queue, state, run_at, expires_at, created_at
    ), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM inserted
    ), notified AS (
        SELECT pg_notify('gristmill_outbox', '') FROM inserted WHERE state = 'queued' LIMIT 1
    )
    SELECT id, state, run_at, expires_at, created_at, (SELECT count(*) FROM notified) AS notified FROM inserted
    """
ACCEPT = Prepared("accept_jobs", text(_INCOMING + _KEYED + _JOBS + _UNLESS_KNOWN + _WITH_HINTS), {"terms": "text"})

# For jobs without keys, which cannot repeat an earlier job: all are written, and there is one row of the result for all
# jobs with the same terms. The search for earlier jobs takes a fifth of the other statement.
_ALL_WITH_HINTS: Final = """
    ), hinted AS (
        INSERT INTO gristmill.outbox (job_id, task, queue, due_at) SELECT id, task, queue, due_at FROM incoming
    ), notified AS (
        SELECT pg_notify('gristmill_outbox', '') FROM terms WHERE state = 'queued' LIMIT 1
    )
    SELECT number, state, due_at, ends_at, created_at, (SELECT count(*) FROM notified) AS notified FROM terms
    """
ACCEPT_WITHOUT_KEYS = Prepared("accept_jobs_without_keys", text(_INCOMING + _JOBS + _ALL_WITH_HINTS), {"terms": "text"})

WRITTEN = text(
    """
    SELECT id, task, queue, CASE WHEN run_at > created_at THEN 'scheduled' ELSE 'queued' END AS state, priority,
           run_at, expires_at, created_at
    FROM gristmill.jobs WHERE id = ANY(:ids)
    """
)
