"""The invariants as SQL: each statement finds the rows that break one."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

BROKEN = {
    "running, and without a lease; or the other way round": """
        SELECT id FROM gristmill.jobs WHERE (state = 'running') <> (lease_until IS NOT NULL)
    """,
    "ended, and without a time; or the other way round": """
        SELECT id FROM gristmill.jobs WHERE (state IN ('succeeded', 'dead', 'cancelled')) <> (finished_at IS NOT NULL)
    """,
    "dead without its one letter that is not redriven, or with one and not dead": """
        SELECT jobs.id FROM gristmill.jobs LEFT JOIN gristmill.dead_letters letter
               ON letter.job_id = jobs.id AND letter.resolution IS DISTINCT FROM 'redriven'
        GROUP BY jobs.id HAVING count(letter.id) <> (state = 'dead')::int
    """,
    "an attempt was counted and has no end on record, or ended more than once": """
        SELECT jobs.id FROM gristmill.jobs LEFT JOIN gristmill.attempts ON attempts.job_id = jobs.id
        GROUP BY jobs.id HAVING count(attempts.attempt) <> jobs.attempt - (state IN ('running', 'succeeded'))::int
    """,
    "an effect in Postgres without success, or success without its one effect": """
        SELECT jobs.id FROM gristmill.jobs LEFT JOIN gristmill.demo_effects ON demo_effects.job_id = jobs.id
        WHERE task <> 'model.outside'
        GROUP BY jobs.id HAVING count(demo_effects.id) <> (state = 'succeeded')::int
    """,
    "an outside effect that is missing, or beside its ledger": """
        SELECT jobs.id FROM gristmill.jobs LEFT JOIN gristmill.demo_effects ON demo_effects.job_id = jobs.id
        WHERE task = 'model.outside'
        GROUP BY jobs.id HAVING count(demo_effects.id) > 1 OR (state = 'succeeded' AND count(demo_effects.id) = 0)
    """,
    "an end that was to be told and has not its one delivery, or a delivery without an end": """
        SELECT jobs.id FROM gristmill.jobs
        WHERE (SELECT count(*) FROM gristmill.jobs delivery WHERE delivery.parent_id = jobs.id) <> CASE
            WHEN callback_url IS NULL THEN 0
            ELSE (finished_at IS NOT NULL)::int + (
                SELECT count(*) FROM gristmill.dead_letters WHERE job_id = jobs.id AND resolution = 'redriven') END
    """,
    "an effect of no job": """
        SELECT job_id FROM gristmill.demo_effects WHERE job_id NOT IN (SELECT id FROM gristmill.jobs)
    """,
    "waits, and no claim will take it": """
        SELECT id FROM gristmill.jobs WHERE state IN ('scheduled', 'queued', 'retrying') AND attempt >= max_attempts
    """,
    "waits, although it was asked to be cancelled": """
        SELECT id FROM gristmill.jobs WHERE state IN ('scheduled', 'queued', 'retrying')
        AND cancel_requested_at IS NOT NULL
    """,
    "was begun while its queue was paused": """
        SELECT id FROM gristmill.jobs JOIN gristmill.queue_controls USING (queue) WHERE started_at > paused_at
    """,
    # One that is due is looked for by the reconciler; one that runs has a lease.
    "waits for its time, and no hint waits with it": """
        SELECT id FROM gristmill.jobs WHERE state IN ('scheduled', 'queued', 'retrying')
        AND run_at > statement_timestamp()
        AND NOT EXISTS (SELECT 1 FROM gristmill.outbox WHERE outbox.job_id = jobs.id AND outbox.due_at = jobs.run_at)
    """,
}

_ALL = text(
    " UNION ALL ".join(f"SELECT '{name}' AS problem, id FROM ({query}) AS found(id)" for name, query in BROKEN.items())
)


def broken_invariants(session: Session) -> list[tuple[str, UUID]]:
    return [(row.problem, row.id) for row in session.execute(_ALL)]


# Only the database's clock decides; so time passes by moving everything that it is compared with into the past.
_SHIFTED = {
    "jobs": ("run_at", "expires_at", "lease_until", "cancel_requested_at", "created_at", "started_at", "finished_at"),
    "outbox": ("due_at",),
    "held_hints": ("due_at", "expires_at"),
    "queue_controls": ("paused_at", "released_at"),
    "attempts": ("started_at", "ended_at"),
    "dead_letters": ("created_at", "resolved_at"),
    "idempotency_keys": ("run_at", "created_at", "expires_at"),
}
_SHIFT = [
    text(
        f"UPDATE gristmill.{table} SET "
        + ", ".join(f"{column} = {column} - :seconds * interval '1 second'" for column in columns)
    )
    for table, columns in _SHIFTED.items()
]


def let_time_pass(session: Session, seconds: float) -> None:
    for statement in _SHIFT:
        session.execute(statement, {"seconds": seconds})
