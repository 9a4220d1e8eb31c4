-- shared.jobs.moves.failed.snooze
-- running -> scheduled

WITH moved AS (
    UPDATE gristmill.jobs
    SET state = 'scheduled', run_at = clock_timestamp() + :delay * interval '1 second',
        lease_until = NULL, max_attempts = max_attempts + 1
    WHERE id = :id
      AND attempt = :attempt
      AND state || '' IN ('running')
      AND cancel_requested_at IS NULL
    RETURNING id, task, queue, run_at, attempt, worker, started_at,
        (CASE WHEN jobs.watched_until > statement_timestamp() THEN pg_notify('gristmill_moved',
            CAST(jobs.id AS text) || ' ' || jobs.state) END) IS NULL AS untold
), history AS (
    INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at, error_type,
            error_code, error_message, traceback)
    SELECT id, attempt, :outcome, worker, started_at, :error_type, :error_code, :error_message,
        :traceback
    FROM moved
), hinted AS (
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
    SELECT id, task, queue, run_at
    FROM moved
)
SELECT id, pg_notify('gristmill_outbox', '')
FROM moved;
