-- shared.jobs.hints.find_states

SELECT id, state, task, queue
FROM jobs
WHERE id = ANY(:ids);
