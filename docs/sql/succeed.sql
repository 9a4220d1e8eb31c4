-- shared.jobs.moves.attempt.succeed
-- running -> succeeded

UPDATE gristmill.jobs
SET state = 'succeeded', result = results[width_bucket(id, ids)], finished_at = clock_timestamp(),
    lease_until = NULL
FROM (
    SELECT CAST(:ids AS uuid[]) AS ids, CAST(:attempts AS int[]) AS attempts,
        CAST(:results AS jsonb[]) AS results
) AS done
WHERE id = ANY(ids)
  AND attempt = attempts[width_bucket(id, ids)]
  AND state || '' IN ('running')
RETURNING width_bucket(id, ids),
    CASE WHEN jobs.callback_url IS NOT NULL THEN jsonb_build_object('parent_id', jobs.id,
        'producer_id', jobs.producer_id, 'traceparent', jobs.traceparent, 'args',
        jsonb_build_object('url', jobs.callback_url, 'event', 'job.' || jobs.state, 'ended_at',
        jobs.finished_at, 'attempt', jobs.attempt)) END AS callback,
    (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
        CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold;
