-- is_current: shared/jobs/leases.py

SELECT 1 FROM jobs WHERE id = :id AND attempt = :attempt AND state || '' = 'running';
