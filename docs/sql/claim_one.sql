-- shared.jobs.moves.attempt.claim
-- queued, retrying, scheduled -> running

UPDATE gristmill.jobs
SET state = 'running', attempt = attempt + 1, worker = :worker, started_at = clock_timestamp(),
    lease_until = clock_timestamp() + :lease * interval '1 second'
WHERE id = :id
  AND state || '' IN ('scheduled', 'queued', 'retrying')
  AND run_at <= statement_timestamp()
  AND attempt < max_attempts
  AND (expires_at IS NULL OR expires_at > statement_timestamp())
  AND queue <> ALL(ARRAY(SELECT queue FROM gristmill.queue_controls WHERE paused_at IS NOT NULL))
RETURNING id, task, queue, args, attempt, max_attempts, traceparent, run_at, started_at,
    (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
        CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold,
    CASE WHEN task <> ALL(:durable) THEN set_config('synchronous_commit', 'off',
        true) END AS commits_later;
