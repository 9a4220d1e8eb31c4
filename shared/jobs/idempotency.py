"""Look up the answers stored for idempotency keys, and the live jobs that hold unique keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text

from gristmill.shared.database.rows import rows_moved
from gristmill.shared.states import LIVE, sql_list

if TYPE_CHECKING:
    from sqlalchemy import RowMapping
    from sqlalchemy.orm import Session

ProducerKey = tuple[UUID, str]  # producer and Idempotency-Key
UniqueKey = tuple[str, str, UUID | None]  # task, unique key and producer

# The times and the state are those of the first answer: the job has moved since, and a redrive sets a new expiry.
_FIND_ANSWERS = text(
    """
    SELECT k.producer_id, k.key, k.body_hash, k.job_id AS id, j.task, j.queue, k.state, j.priority, k.run_at,
           k.job_expires_at AS expires_at, k.created_at, k.duplicate
    FROM unnest(CAST(:producers AS uuid[]), CAST(:keys AS text[])) AS wanted(producer_id, key)
    JOIN gristmill.idempotency_keys k ON k.producer_id = wanted.producer_id AND k.key = wanted.key
    JOIN gristmill.jobs j ON j.id = k.job_id
    WHERE k.expires_at > statement_timestamp()
    """
)

_FIND_DUPLICATES = text(
    f"""
    SELECT DISTINCT j.id, j.task, j.queue, j.state, j.priority, j.run_at, j.expires_at, j.created_at, j.unique_key,
           j.producer_id
    FROM unnest(CAST(:tasks AS text[]), CAST(:unique_keys AS text[]), CAST(:producers AS uuid[]))
         AS wanted(task, unique_key, producer_id)
    JOIN gristmill.jobs j ON j.task = wanted.task AND j.unique_key = wanted.unique_key
         AND j.producer_id IS NOT DISTINCT FROM wanted.producer_id
    WHERE j.state IN ({sql_list(LIVE)})
    """
)

_REDIRECT_KEYS = text(
    """
    UPDATE gristmill.idempotency_keys k
    SET job_id = twin.id, state = twin.state, run_at = twin.run_at, created_at = twin.created_at,
        job_expires_at = twin.expires_at, duplicate = true
    FROM jsonb_to_recordset(CAST(:twins AS jsonb)) AS twin(
        producer_id uuid, key text, id uuid, state text, run_at timestamptz, created_at timestamptz,
        expires_at timestamptz)
    WHERE k.producer_id = twin.producer_id AND k.key = twin.key
    """
)

# Expired keys do no harm (the next use overwrites them); they only take space.
_PRUNE_KEYS = text(
    """
    DELETE FROM gristmill.idempotency_keys WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM gristmill.idempotency_keys WHERE expires_at <= statement_timestamp()
        ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))
    """
)
_ANSWERED: Final = ("id", "state", "run_at", "created_at", "expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The answer to the first request with an idempotency key, and the fingerprint of that request's body."""

    body_hash: str
    answer: RowMapping


def find_stored_answers(session: Session, keys: Collection[ProducerKey]) -> dict[ProducerKey, StoredAnswer]:
    """Return the answers to those of `keys` that were used in the last 24 hours."""
    producers, names = [str(producer) for producer, _ in keys], [key for _, key in keys]
    rows = session.execute(_FIND_ANSWERS, {"producers": producers, "keys": names}).mappings()
    return {(row["producer_id"], row["key"]): StoredAnswer(body_hash=row["body_hash"], answer=row) for row in rows}


def find_live_duplicates(session: Session, wanted: Collection[UniqueKey]) -> dict[UniqueKey, RowMapping]:
    """Return the live jobs that hold one of these unique keys."""
    rows = session.execute(
        _FIND_DUPLICATES,
        {
            "tasks": [task for task, _, _ in wanted],
            "unique_keys": [key for _, key, _ in wanted],
            "producers": [str(producer) if producer is not None else None for _, _, producer in wanted],
        },
    ).mappings()
    return {(row["task"], row["unique_key"], row["producer_id"]): row for row in rows}


def redirect_keys(session: Session, duplicates: Mapping[ProducerKey, RowMapping]) -> None:
    """Make idempotency keys that were just written refer to the live jobs that were found instead."""
    rows: list[dict[str, Any]] = [
        {"producer_id": producer, "key": key} | {name: job[name] for name in _ANSWERED}
        for (producer, key), job in duplicates.items()
    ]
    session.execute(_REDIRECT_KEYS, {"twins": orjson.dumps(rows).decode()})


def prune_keys(session: Session, *, limit: int) -> int:
    """Delete at most `limit` keys whose 24 hours are over, except those that others have locked; return how many."""
    return rows_moved(session.execute(_PRUNE_KEYS, {"limit": limit}))
