-- shared.jobs.insert.insert_new

WITH terms AS (
    SELECT t.*, start.due_at, statement_timestamp() AS created_at,
        CASE WHEN start.due_at > statement_timestamp() THEN 'scheduled' ELSE 'queued' END AS state,
        coalesce(t.expires_at, start.due_at + t.time_to_live * interval '1 second') AS ends_at
    FROM json_to_recordset(CAST(:terms AS json)) AS t(number int, task text, queue text,
            priority text, max_attempts int, run_at timestamptz, delay double precision,
            expires_at timestamptz, time_to_live double precision, unique_key text,
            callback_url text, tags text[], parent_id uuid, producer_id uuid, traceparent text,
            ids uuid[], args jsonb, idempotency_keys text[], body_hashes text[]),
        LATERAL (
            SELECT greatest(coalesce(t.run_at, statement_timestamp() + coalesce(t.delay,
                    0) * interval '1 second'), statement_timestamp()) AS due_at
        ) AS start
), incoming AS (
    SELECT task, queue, state, priority, max_attempts, due_at, ends_at, unique_key, callback_url,
        tags, parent_id, producer_id, traceparent, created_at, job.*
    FROM terms,
        ROWS FROM (unnest(terms.ids), jsonb_array_elements(terms.args),
            unnest(terms.idempotency_keys), unnest(terms.body_hashes)) AS job(id, args,
            idempotency_key, body_hash)
), inserted AS (
    INSERT INTO gristmill.jobs (id, task, queue, args, state, priority, max_attempts, run_at,
            expires_at, unique_key, callback_url, tags, parent_id, producer_id, traceparent,
            created_at)
    SELECT id, task, queue, args, state, priority, max_attempts, due_at, ends_at, unique_key,
        callback_url, coalesce(tags, '{}'), parent_id, producer_id, traceparent, created_at
    FROM incoming
), hinted AS (
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
    SELECT id, task, queue, due_at
    FROM incoming
), notified AS (
    SELECT pg_notify('gristmill_outbox', '')
    FROM terms
    WHERE state = 'queued'
    LIMIT 1
)
SELECT number, state, due_at, ends_at, created_at, (SELECT count(*) FROM notified) AS notified
FROM terms;
