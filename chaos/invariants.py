"""Invariants of the tables when nothing moves any more: each statement returns the ids that violate one."""

from __future__ import annotations

from typing import Final

INVARIANTS: Final = {
    "dead without an open dead letter": """
        SELECT id FROM gristmill.jobs WHERE state = 'dead'
          AND NOT EXISTS (SELECT FROM gristmill.dead_letters WHERE job_id = jobs.id AND resolution IS NULL)""",
    "an open dead letter of a job that is not dead": """
        SELECT jobs.id FROM gristmill.jobs JOIN gristmill.dead_letters ON job_id = jobs.id
        WHERE resolution IS NULL AND state <> 'dead'""",
    "two open dead letters": """
        SELECT job_id FROM gristmill.dead_letters WHERE resolution IS NULL AND job_id IS NOT NULL
        GROUP BY job_id HAVING count(*) > 1""",
    "running without a lease": "SELECT id FROM gristmill.jobs WHERE (state = 'running') <> (lease_until IS NOT NULL)",
    "final without an end": """
        SELECT id FROM gristmill.jobs
        WHERE (state IN ('succeeded', 'dead', 'cancelled')) <> (finished_at IS NOT NULL)""",
    "an idempotency key without its job": """
        SELECT job_id FROM gristmill.idempotency_keys
        WHERE NOT EXISTS (SELECT FROM gristmill.jobs WHERE jobs.id = job_id)""",
    "an attempt that nothing is known of": """
        SELECT id FROM gristmill.jobs WHERE state IN ('succeeded', 'dead')
          AND attempt - CASE state WHEN 'succeeded' THEN 1 ELSE 0 END
              <> (SELECT count(*) FROM gristmill.attempts WHERE job_id = jobs.id)""",
    "a malformed hint": "SELECT id FROM gristmill.dead_letters WHERE reason = 'malformed'",
    "a user without a job, or two": """
        SELECT users.id FROM gristmill.users LEFT JOIN gristmill.jobs
          ON jobs.task = 'user.create' AND jobs.state = 'succeeded' AND jobs.result->>'user_id' = users.id::text
        GROUP BY users.id HAVING count(jobs.id) <> 1""",
}

# Jobs of the schedule and of other jobs have their task's few attempts. One whose worker was killed in each of them
# ends as the policy says, which is no wrong end.
CRASH_LOOPS: Final = """
    SELECT jobs.id FROM gristmill.jobs JOIN gristmill.dead_letters ON job_id = jobs.id
    WHERE state = 'dead' AND reason = 'crash_loop' AND max_attempts < %s"""
