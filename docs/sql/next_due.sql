-- shared.jobs.outbox.seconds_to_next

SELECT extract(epoch FROM due_at - clock_timestamp())
FROM gristmill.outbox
WHERE queue <> ALL(:without)
ORDER BY due_at
LIMIT 1;
