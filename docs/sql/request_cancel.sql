-- shared.jobs.moves.by_hand.request_cancels

UPDATE gristmill.jobs
SET cancel_requested_at = clock_timestamp()
WHERE id = ANY(:ids)
  AND state || '' = 'running'
  AND cancel_requested_at IS NULL
RETURNING id;
