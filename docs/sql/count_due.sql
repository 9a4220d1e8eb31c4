-- count_due: shared/jobs/outbox.py

SELECT count(*) FROM outbox WHERE due_at <= statement_timestamp();
