-- shared.jobs.hints.find_watermark

SELECT max(run_at)
FROM gristmill.jobs
WHERE queue = :queue
  AND state = 'running';
