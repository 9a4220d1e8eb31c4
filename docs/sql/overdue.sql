-- shared.jobs.leases.lock_overdue

SELECT id, task, attempt, max_attempts, worker, cancel_requested_at IS NOT NULL AS cancel_requested
FROM gristmill.jobs
WHERE state = 'running'
  AND lease_until <= statement_timestamp()
ORDER BY lease_until
LIMIT :limit
FOR UPDATE SKIP LOCKED;
