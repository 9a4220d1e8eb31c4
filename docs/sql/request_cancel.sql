-- request_cancel: shared/jobs/moves/by_hand.py

UPDATE jobs SET cancel_requested_at = clock_timestamp()
WHERE id = ANY(:ids) AND state || '' = 'running' AND cancel_requested_at IS NULL
RETURNING id;
