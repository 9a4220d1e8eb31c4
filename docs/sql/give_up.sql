-- shared.jobs.moves.unclaimed.give_up
-- queued, retrying, scheduled -> dead

WITH moved AS (
    UPDATE gristmill.jobs
    SET state = 'dead', finished_at = clock_timestamp()
    WHERE id = ANY(:ids)
      AND state || '' IN ('scheduled', 'queued', 'retrying')
      AND run_at <= statement_timestamp()
      AND NOT EXISTS (
          SELECT 1
          FROM gristmill.outbox
          WHERE outbox.due_at = jobs.run_at
            AND outbox.job_id = jobs.id
      )
      AND NOT EXISTS (SELECT 1 FROM gristmill.held_hints WHERE held_hints.job_id = jobs.id)
    RETURNING id, task, queue, attempt,
        (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
            CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold,
        CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object('parent_id', jobs.id,
            'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent, 'args',
            jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state, 'ended_at',
            jobs.finished_at, 'attempt', jobs.attempt)) END AS callback
), letter AS (
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code,
            error_message, fingerprint, attempts, broker)
    SELECT gen_random_uuid(), id, task, queue, :reason, 'DeliveryLimit', 'HINT_DELIVERY_LIMIT',
        'the broker gave up on its hint again and again, and no worker could claim it',
        substr(encode(sha256(convert_to('delivery_limit ' || task, 'UTF8')), 'hex'), 1, 16),
        attempt, CAST(:broker AS jsonb)
    FROM moved
)
SELECT id, callback
FROM moved;
