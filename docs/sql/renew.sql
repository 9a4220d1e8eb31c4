-- shared.jobs.leases.renew_all

UPDATE gristmill.jobs
SET lease_until = clock_timestamp() + :lease * interval '1 second'
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS mine(id uuid, attempt int)
WHERE jobs.id = ANY(:ids)
  AND jobs.id = mine.id
  AND jobs.attempt = mine.attempt
  AND jobs.state || '' = 'running'
RETURNING jobs.id, cancel_requested_at IS NOT NULL AS asked;
