-- shared.jobs.leases.is_current

SELECT 1
FROM gristmill.jobs
WHERE id = :id
  AND attempt = :attempt
  AND state || '' = 'running';
