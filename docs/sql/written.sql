-- shared.jobs.insert.find_written

SELECT id, task, queue, CASE WHEN run_at > created_at THEN 'scheduled' ELSE 'queued' END AS state,
    priority, run_at, expires_at, created_at
FROM gristmill.jobs
WHERE id = ANY(:ids);
