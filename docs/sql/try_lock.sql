-- shared.jobs.leases.try_lock

SELECT key
FROM unnest(CAST(:keys AS bigint[])) AS key
WHERE pg_try_advisory_xact_lock(key);
