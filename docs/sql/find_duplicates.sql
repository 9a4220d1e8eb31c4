-- shared.jobs.idempotency.find_live_duplicates

SELECT DISTINCT j.id, j.task, j.queue, j.state, j.priority, j.run_at, j.expires_at, j.created_at,
    j.unique_key, j.producer_id
FROM unnest(CAST(:tasks AS text[]), CAST(:unique_keys AS text[]),
        CAST(:producers AS uuid[])) AS wanted(task, unique_key, producer_id)
JOIN gristmill.jobs j ON j.task = wanted.task
  AND j.unique_key = wanted.unique_key
  AND j.producer_id IS NOT DISTINCT FROM wanted.producer_id
WHERE j.state IN ('scheduled', 'queued', 'running', 'retrying');
