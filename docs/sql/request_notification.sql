-- shared.jobs.follow.request_notification

UPDATE gristmill.jobs
SET watched_until = greatest(watched_until, statement_timestamp() + :seconds * interval '1 second')
WHERE id = :id
  AND state NOT IN ('succeeded', 'dead', 'cancelled')
RETURNING id;
