-- shared.jobs.quota.remaining_quota

SELECT wanted.producer_id, (
    SELECT count(*)
    FROM (
        SELECT
        FROM gristmill.jobs
        WHERE jobs.producer_id = wanted.producer_id
          AND state IN ('scheduled', 'queued', 'running', 'retrying')
          AND task <> 'webhook.deliver'
        LIMIT wanted.quota
    ) AS live
)
FROM unnest(CAST(:producers AS uuid[]), CAST(:quotas AS int[])) AS wanted(producer_id, quota);
