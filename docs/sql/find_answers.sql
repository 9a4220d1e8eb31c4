-- shared.jobs.idempotency.find_stored_answers

SELECT k.producer_id, k.key, k.body_hash, k.job_id AS id, j.task, j.queue, k.state, j.priority,
    k.run_at, k.job_expires_at AS expires_at, k.created_at, k.duplicate
FROM unnest(CAST(:producers AS uuid[]), CAST(:keys AS text[])) AS wanted(producer_id, key)
JOIN gristmill.idempotency_keys k ON k.producer_id = wanted.producer_id
  AND k.key = wanted.key
JOIN gristmill.jobs j ON j.id = k.job_id
WHERE k.expires_at > statement_timestamp();
