-- shared.jobs.leases.fence

SELECT place
FROM (
    SELECT set_config('idle_in_transaction_session_timeout', :timeout, true),
        set_config('statement_timeout', :timeout, true)
) AS limits,
    (
        SELECT CAST(:ids AS uuid[]) AS ids, CAST(:attempts AS int[]) AS attempts,
            CAST(:keys AS bigint[]) AS keys
    ) AS mine,
    gristmill.jobs, LATERAL (SELECT width_bucket(id, ids) AS place OFFSET 0) AS found
WHERE id = ANY(ids)
  AND CASE WHEN attempt = attempts[place] AND state || '' = 'running'
          THEN pg_try_advisory_xact_lock(keys[place]) END;
