-- shared.jobs.hints.find_watermark

SELECT max(run_at)
FROM jobs
WHERE queue = :queue
  AND state = 'running';
