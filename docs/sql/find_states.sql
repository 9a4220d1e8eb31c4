-- shared.jobs.hints.find_states

SELECT id, state, task, queue
FROM gristmill.jobs
WHERE id = ANY(:ids);
