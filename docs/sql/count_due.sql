-- shared.jobs.outbox.count_due

SELECT count(*)
FROM gristmill.outbox
WHERE due_at <= statement_timestamp();
