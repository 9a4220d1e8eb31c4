-- shared.jobs.idempotency.redirect_keys

UPDATE gristmill.idempotency_keys k
SET job_id = twin.id, state = twin.state, run_at = twin.run_at, created_at = twin.created_at,
    job_expires_at = twin.expires_at, duplicate = true
FROM jsonb_to_recordset(CAST(:twins AS jsonb)) AS twin(producer_id uuid, key text, id uuid,
        state text, run_at timestamptz, created_at timestamptz, expires_at timestamptz)
WHERE k.producer_id = twin.producer_id
  AND k.key = twin.key;
