"""End jobs that no worker claimed, `expire` and `give_up`, each with its dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from gristmill.shared.jobs.final_move import execute_final_move
from gristmill.shared.jobs.move_statement import direct_move
from gristmill.shared.states import DeadReason, Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_EXPIRE = direct_move(
    Move.EXPIRE,
    """
    WITH moved AS (
        UPDATE gristmill.jobs SET state = {target}, finished_at = clock_timestamp()
        WHERE id = ANY(:ids) AND state || '' IN ({sources}) AND expires_at <= statement_timestamp()
        RETURNING id, task, queue, attempt, expires_at, {notify}, {callback}
    ), letter AS (
        INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message,
                                  fingerprint, attempts)
        SELECT gen_random_uuid(), id, task, queue, :reason, 'Expired', 'JOB_EXPIRED',
               'no longer wanted after ' || CAST(expires_at AS text),
               substr(encode(sha256(convert_to('expired ' || task, 'UTF8')), 'hex'), 1, 16), attempt
        FROM moved
    )
    SELECT id, callback FROM moved
    """,
)


def expire(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """End those of `ids` that waited beyond their `expires_at`, each with its dead letter."""
    return execute_final_move(session, _EXPIRE, {"ids": list(ids), "reason": str(DeadReason.EXPIRED)})


_GIVE_UP = direct_move(
    Move.GIVE_UP,
    """
    WITH moved AS (
        UPDATE gristmill.jobs SET state = {target}, finished_at = clock_timestamp()
        WHERE id = ANY(:ids) AND state || '' IN ({sources}) AND run_at <= statement_timestamp()
          AND NOT EXISTS (SELECT 1 FROM gristmill.outbox WHERE outbox.due_at = jobs.run_at AND outbox.job_id = jobs.id)
          AND NOT EXISTS (SELECT 1 FROM gristmill.held_hints WHERE held_hints.job_id = jobs.id)
        RETURNING id, task, queue, attempt, {notify}, {callback}
    ), letter AS (
        INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message,
                                  fingerprint, attempts, broker)
        SELECT gen_random_uuid(), id, task, queue, :reason, 'DeliveryLimit', 'HINT_DELIVERY_LIMIT',
               'the broker gave up on its hint again and again, and no worker could claim it',
               substr(encode(sha256(convert_to('delivery_limit ' || task, 'UTF8')), 'hex'), 1, 16), attempt,
               CAST(:broker AS jsonb)
        FROM moved
    )
    SELECT id, callback FROM moved
    """,
)


def give_up(session: Session, ids: Sequence[UUID], *, broker: dict[str, Any]) -> set[UUID]:
    """End those of `ids` whose hint cannot be delivered after many tries, each with a dead letter.

    A job that is due later, or has another hint in the outbox or held, was attempted meanwhile and does not move.
    """
    values = {"ids": list(ids), "reason": str(DeadReason.DELIVERY_LIMIT), "broker": orjson.dumps(broker).decode()}
    return execute_final_move(session, _GIVE_UP, values)
