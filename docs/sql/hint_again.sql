-- shared.jobs.hints.hint_again

WITH seen AS (
    SELECT id, run_at
    FROM gristmill.jobs
    WHERE id = ANY(:ids)
), due AS (
    UPDATE gristmill.jobs
    SET run_at = clock_timestamp() + :delay * interval '1 second'
    FROM seen
    WHERE jobs.id = seen.id
      AND jobs.run_at = seen.run_at
      AND state || '' IN ('scheduled', 'queued', 'retrying')
      AND jobs.run_at <= statement_timestamp()
      AND NOT EXISTS (
          SELECT 1
          FROM gristmill.outbox
          WHERE outbox.due_at = jobs.run_at
            AND outbox.job_id = jobs.id
      )
      AND NOT EXISTS (SELECT 1 FROM gristmill.held_hints WHERE held_hints.job_id = jobs.id)
    RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at
), hinted AS (
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at, alone, revivals)
    SELECT id, task, queue, run_at, true, :revivals
    FROM due
)
SELECT id, pg_notify('gristmill_outbox', '')
FROM due;
