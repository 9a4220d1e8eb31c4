"""End jobs that nobody claimed: `expire` and `give_up`, each with its dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from gristmill.shared.jobs.final_move import end
from gristmill.shared.jobs.move_statement import direct_move
from gristmill.shared.states import DeadReason, Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_EXPIRE = direct_move(
    Move.EXPIRE,
    """
    WITH moved AS (
        UPDATE jobs SET state = {target}, finished_at = clock_timestamp()
        WHERE id = ANY(:ids) AND state || '' IN ({sources}) AND expires_at <= statement_timestamp()
        RETURNING id, task, queue, attempt, expires_at, {tell}, {callback}
    ), letter AS (
        INSERT INTO dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message, fingerprint,
                                  attempts)
        SELECT gen_random_uuid(), id, task, queue, :reason, 'Expired', 'JOB_EXPIRED',
               'no longer wanted after ' || CAST(expires_at AS text),
               substr(encode(sha256(convert_to('expired ' || task, 'UTF8')), 'hex'), 1, 16), attempt
        FROM moved
    )
    SELECT id, callback FROM moved
    """,
)


def expire(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """End those of `ids` that waited past their `expires_at`, each with its dead letter."""
    return end(session, _EXPIRE, {"ids": list(ids), "reason": str(DeadReason.EXPIRED)})


_GIVE_UP = direct_move(
    Move.GIVE_UP,
    """
    WITH moved AS (
        UPDATE jobs SET state = {target}, finished_at = clock_timestamp()
        WHERE id = ANY(:ids) AND state || '' IN ({sources}) AND run_at <= statement_timestamp()
          AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.due_at = jobs.run_at AND outbox.job_id = jobs.id)
          AND NOT EXISTS (SELECT 1 FROM held_hints WHERE held_hints.job_id = jobs.id)
        RETURNING id, task, queue, attempt, {tell}, {callback}
    ), letter AS (
        INSERT INTO dead_letters (id, job_id, task, queue, reason, error_type, error_code, error_message, fingerprint,
                                  attempts, broker)
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
    """End those of `ids` that wait for their hint, because its delivery fails again and again, each with a dead letter.

    One that has another hint in the outbox or held, or is due later, was tried meanwhile and is left alone.
    """
    values = {"ids": list(ids), "reason": str(DeadReason.DELIVERY_LIMIT), "broker": orjson.dumps(broker).decode()}
    return end(session, _GIVE_UP, values)
