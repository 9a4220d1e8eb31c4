"""Write dead letters for messages that the broker or a worker gave up on, and for dead jobs that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import dump_json
from gristmill.shared.states import DeadReason, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

MOST_DEAD: Final = 10_000  # jobs: more than die between two runs, read in some ten milliseconds
RAW_LIMIT = 65_536  # bytes of a message's body that are kept

_MALFORMED = text(
    """
    INSERT INTO gristmill.dead_letters (id, queue, task, reason, error_type, error_code, error_message, fingerprint,
                              raw_body, broker)
    VALUES (:id, :queue, :task, :reason, 'MalformedHint', 'HINT_MALFORMED', :problem, :fingerprint, :raw_body,
            CAST(:broker AS jsonb))
    """
)


def insert_malformed(
    session: Session,
    *,
    queue: str,
    task: str | None,
    problem: str,
    fingerprint: str,
    raw_body: bytes,
    broker: dict[str, Any] | None = None,
) -> None:
    """Insert a dead letter for a message that is no valid hint, with the first `RAW_LIMIT` bytes of its body."""
    values = {
        "id": uuid7(),
        "queue": queue,
        "task": task,
        "reason": str(DeadReason.MALFORMED),
        "problem": problem,
        "fingerprint": fingerprint,
        "raw_body": raw_body[:RAW_LIMIT],
        "broker": dump_json(broker) if broker is not None else None,
    }
    session.execute(_MALFORMED, values)


_BROKER_DETAILS = text(
    """
    UPDATE gristmill.dead_letters SET broker = CAST(:broker AS jsonb)
    WHERE job_id = ANY(:ids) AND resolution IS NULL
    """
)


def add_broker_details(session: Session, ids: Sequence[UUID], broker: dict[str, Any]) -> None:
    """Add what the broker reports about a dead message to the open dead letters of its jobs."""
    session.execute(_BROKER_DETAILS, {"ids": list(ids), "broker": dump_json(broker)})


_MISSING_LETTERS = text(
    f"""
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message,
                              traceback, fingerprint, attempts)
    SELECT gen_random_uuid(), jobs.id, jobs.task, jobs.queue, :reason, last.error_type, last.error_code,
           last.error_message, last.traceback, 'unlettered', jobs.attempt
    FROM (SELECT id, task, queue, attempt FROM gristmill.jobs
          WHERE state = '{State.DEAD}' AND finished_at > statement_timestamp() - interval '1 day'
          ORDER BY finished_at DESC LIMIT :among) AS jobs
         LEFT JOIN gristmill.attempts last ON last.job_id = jobs.id AND last.attempt = jobs.attempt
    WHERE (SELECT id FROM gristmill.dead_letters WHERE dead_letters.job_id = jobs.id LIMIT 1) IS NULL
    LIMIT 100
    ON CONFLICT DO NOTHING
    RETURNING job_id
    """
)


def write_missing_letters(session: Session, *, among: int = MOST_DEAD) -> list[UUID]:
    """Insert the missing dead letters of jobs that died in the last day, and return the jobs' ids.

    A kill inserts the dead letter itself, so one is missing only after a change by hand.

    Args:
        session: the caller's.
        among: only so many of the latest dead jobs are checked.
    """
    return list(session.execute(_MISSING_LETTERS, {"reason": str(DeadReason.EXHAUSTED), "among": among}).scalars())
