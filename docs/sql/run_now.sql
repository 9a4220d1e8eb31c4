-- shared.jobs.moves.by_hand.run_now
-- retrying, scheduled -> queued

WITH ahead AS (
    SELECT id, run_at AS was
    FROM gristmill.jobs
    WHERE id = :id
      AND state || '' IN ('scheduled', 'retrying')
      AND run_at > statement_timestamp()
    FOR NO KEY UPDATE
), moved AS (
    UPDATE gristmill.jobs
    SET state = 'queued', run_at = statement_timestamp()
    FROM ahead
    WHERE jobs.id = ahead.id
    RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, ahead.was
), rehinted AS (
    UPDATE gristmill.outbox
    SET due_at = moved.run_at
    FROM moved
    WHERE outbox.due_at = moved.was
      AND outbox.job_id = moved.id
    RETURNING outbox.job_id
), hinted AS (
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at)
    SELECT id, task, queue, run_at
    FROM moved
    WHERE NOT EXISTS (SELECT 1 FROM rehinted)
)
SELECT id, pg_notify('gristmill_outbox', '')
FROM moved;
