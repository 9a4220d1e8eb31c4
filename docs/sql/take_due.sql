-- shared.jobs.outbox.take_due

WITH taken AS (
    DELETE FROM gristmill.outbox
    WHERE id = ANY(ARRAY(
        SELECT id
        FROM gristmill.outbox
        WHERE due_at <= statement_timestamp()
          AND queue <> ALL(CAST(:without AS text[]))
        ORDER BY due_at, job_id
        LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING *
)
SELECT id, job_id, task, queue, due_at, alone, revivals,
    queue = ANY(ARRAY(SELECT queue FROM gristmill.queue_controls WHERE paused_at IS NOT NULL)) AS paused
FROM taken
ORDER BY due_at, job_id;
