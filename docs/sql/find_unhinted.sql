-- shared.jobs.hints.find_unhinted

WITH edge AS (
    SELECT least(statement_timestamp() - :grace * interval '1 second', CAST(:before AS timestamptz),
            (SELECT min(due_at) FROM gristmill.outbox),
            (SELECT min(due_at) FROM gristmill.held_hints WHERE queue = :queue)) AS due_before
)
SELECT id, attempt
FROM (
    (
        SELECT id, attempt, run_at
        FROM gristmill.jobs
        WHERE queue = :queue
          AND state = 'queued'
          AND run_at < (SELECT due_before FROM edge)
        ORDER BY run_at
        LIMIT :limit
    )
    UNION ALL (
        SELECT id, attempt, run_at
        FROM gristmill.jobs
        WHERE queue = :queue
          AND state = 'scheduled'
          AND run_at < (SELECT due_before FROM edge)
        ORDER BY run_at
        LIMIT :limit
    )
    UNION ALL (
        SELECT id, attempt, run_at
        FROM gristmill.jobs
        WHERE queue = :queue
          AND state = 'retrying'
          AND run_at < (SELECT due_before FROM edge)
        ORDER BY run_at
        LIMIT :limit
    )
) AS due
WHERE (SELECT job_id FROM gristmill.held_hints WHERE held_hints.job_id = due.id) IS NULL
ORDER BY run_at
LIMIT :limit;
