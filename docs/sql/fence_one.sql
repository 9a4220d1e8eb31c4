-- shared.jobs.leases.fence

SELECT id, set_config('idle_in_transaction_session_timeout', :timeout, true),
    set_config('statement_timeout', :timeout, true)
FROM gristmill.jobs
WHERE id = :id
  AND attempt = :attempt
  AND state || '' = 'running'
  AND pg_try_advisory_xact_lock(:key);
