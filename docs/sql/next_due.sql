-- next_due: shared/jobs/outbox.py

SELECT extract(epoch FROM due_at - clock_timestamp()) FROM outbox WHERE queue <> ALL(:without)
ORDER BY due_at LIMIT 1;
