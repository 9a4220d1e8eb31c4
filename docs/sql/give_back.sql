-- shared.jobs.moves.give_back.give_back
-- running -> queued

WITH moved AS (
    UPDATE gristmill.jobs
    SET state = 'queued', run_at = clock_timestamp(), lease_until = NULL,
        max_attempts = max_attempts + 1
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS mine(id uuid, attempt int)
    WHERE jobs.id = mine.id
      AND jobs.attempt = mine.attempt
      AND jobs.state IN ('running')
      AND jobs.cancel_requested_at IS NULL
    RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, jobs.attempt, jobs.worker,
        jobs.started_at,
        (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
            CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold
), history AS (
    INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at)
    SELECT id, attempt, :outcome, worker, started_at
    FROM moved
), hinted AS (
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
    SELECT id, task, queue, run_at
    FROM moved
)
SELECT id, pg_notify('gristmill_outbox', '')
FROM moved;
