-- shared.jobs.moves.by_hand.redrive
-- dead -> queued, scheduled

WITH dead AS (
    SELECT jobs.id, dead_letters.id AS letter_id, dead_letters.reason,
        :start + (wanted.position - 1) * :spacing AS delay
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS wanted(id, position)
    JOIN gristmill.jobs ON jobs.id = wanted.id
      AND jobs.state || '' IN ('dead')
    JOIN gristmill.dead_letters ON dead_letters.job_id = jobs.id
      AND dead_letters.resolution IS NULL
    ORDER BY jobs.id
    FOR NO KEY UPDATE OF jobs, dead_letters
), moved AS (
    UPDATE gristmill.jobs
    SET state = CASE WHEN dead.delay > 0 THEN 'scheduled' ELSE 'queued' END,
        run_at = statement_timestamp() + dead.delay * interval '1 second',
        expires_at = CASE WHEN jobs.expires_at IS NOT NULL THEN statement_timestamp() + (dead.delay
            + CAST(CAST(:lives AS jsonb) ->> jobs.queue AS double precision)) * interval '1 second' END,
        max_attempts = jobs.attempt + (
            SELECT greatest(1, jobs.max_attempts - last.attempt - (
                SELECT count(*)
                FROM gristmill.attempts
                WHERE attempts.job_id = jobs.id
                  AND outcome IN ('snoozed', 'given_back')
                  AND attempts.attempt > last.attempt
            ))
            FROM (
                SELECT coalesce(max(attempts), 0) AS attempt
                FROM gristmill.dead_letters
                WHERE dead_letters.job_id = jobs.id
                  AND resolution = 'redriven'
            ) AS last
        ),
        args = coalesce(CAST(:args AS jsonb), jobs.args), result = NULL, finished_at = NULL,
        cancel_requested_at = NULL
    FROM dead
    WHERE jobs.id = dead.id
    RETURNING jobs.id, jobs.task, jobs.queue, jobs.run_at, dead.letter_id, dead.reason
), resolved AS (
    UPDATE gristmill.dead_letters
    SET resolution = 'redriven', resolved_at = clock_timestamp(), resolved_by = :actor
    FROM moved
    WHERE dead_letters.id = moved.letter_id
), hinted AS (
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at, alone)
    SELECT id, task, queue, run_at, reason IN ('crash_loop', 'delivery_limit')
    FROM moved
)
SELECT id, run_at, pg_notify('gristmill_outbox', '')
FROM moved;
