-- shared.jobs.leases.cancel_requested

SELECT cancel_requested_at IS NOT NULL
FROM gristmill.jobs
WHERE id = :id;
