-- shared.jobs.moves.unclaimed.expire
-- queued, retrying, scheduled -> dead

WITH moved AS (
    UPDATE gristmill.jobs
    SET state = 'dead', finished_at = clock_timestamp()
    WHERE id = ANY(:ids)
      AND state || '' IN ('scheduled', 'queued', 'retrying')
      AND expires_at <= statement_timestamp()
    RETURNING id, task, queue, attempt, expires_at,
        (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
            CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold,
        CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object('parent_id', jobs.id,
            'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent, 'args',
            jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state, 'ended_at',
            jobs.finished_at, 'attempt', jobs.attempt)) END AS callback
), letter AS (
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code,
            error_message, fingerprint, attempts)
    SELECT gen_random_uuid(), id, task, queue, :reason, 'Expired', 'JOB_EXPIRED',
        'no longer wanted after ' || CAST(expires_at AS text),
        substr(encode(sha256(convert_to('expired ' || task, 'UTF8')), 'hex'), 1, 16), attempt
    FROM moved
)
SELECT id, callback
FROM moved;
