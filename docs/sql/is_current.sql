-- shared.jobs.leases.is_current

SELECT 1
FROM jobs
WHERE id = :id
  AND attempt = :attempt
  AND state || '' = 'running';
