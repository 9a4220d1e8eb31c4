-- shared.jobs.outbox.count_due

SELECT count(*)
FROM outbox
WHERE due_at <= statement_timestamp();
