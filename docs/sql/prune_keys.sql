-- shared.jobs.idempotency.prune_keys

DELETE FROM gristmill.idempotency_keys
WHERE ctid = ANY(ARRAY(
    SELECT ctid
    FROM gristmill.idempotency_keys
    WHERE expires_at <= statement_timestamp()
    ORDER BY expires_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
));
