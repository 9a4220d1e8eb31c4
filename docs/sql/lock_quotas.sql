-- shared.jobs.quota.remaining_quota

SELECT pg_advisory_xact_lock(key)
FROM (
    SELECT hashtextextended('gristmill.quota ' || id, 0) AS key
    FROM unnest(CAST(:producers AS text[])) AS id
    ORDER BY key
) AS keys;
