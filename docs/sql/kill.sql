-- shared.jobs.moves.failed.kill
-- running -> dead

WITH moved AS (
    UPDATE gristmill.jobs
    SET state = 'dead', finished_at = clock_timestamp(), lease_until = NULL
    WHERE id = :id
      AND attempt = :attempt
      AND state || '' IN ('running')
    RETURNING id, task, queue, attempt, worker, started_at,
        (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
            CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold,
        CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object('parent_id', jobs.id,
            'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent, 'args',
            jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state, 'ended_at',
            jobs.finished_at, 'attempt', jobs.attempt)) END AS callback
), history AS (
    INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at, error_type,
            error_code, error_message, traceback)
    SELECT id, attempt, :outcome, worker, started_at, :error_type, :error_code, :error_message,
        :traceback
    FROM moved
), letter AS (
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code,
            error_message, traceback, fingerprint, attempts)
    SELECT :letter_id, id, task, queue, :reason, :error_type, :error_code, :error_message,
        :traceback, :fingerprint, attempt
    FROM moved
)
SELECT id, callback
FROM moved;
