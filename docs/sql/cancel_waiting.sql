-- shared.jobs.moves.by_hand.cancel_waiting
-- queued, retrying, scheduled -> cancelled

UPDATE gristmill.jobs
SET state = 'cancelled', finished_at = clock_timestamp(),
    cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
WHERE id = ANY(:ids)
  AND state || '' IN ('scheduled', 'queued', 'retrying')
RETURNING id,
    CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object('parent_id', jobs.id,
        'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent, 'args',
        jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state, 'ended_at',
        jobs.finished_at, 'attempt', jobs.attempt)) END AS callback,
    (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
        CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold;
