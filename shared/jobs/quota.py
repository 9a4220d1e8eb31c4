"""Count the jobs that a producer has in flight, under a lock that keeps others from adding any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.jobs.callbacks import TASK
from gristmill.shared.states import LIVE, sql_list

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# In the order of the keys: two transactions with the same producers wait for each other instead of deadlocking.
_LOCK_QUOTAS = text(
    """
    SELECT pg_advisory_xact_lock(key) FROM (
        SELECT hashtextextended('gristmill.quota ' || id, 0) AS key FROM unnest(CAST(:producers AS text[])) AS id
        ORDER BY key
    ) AS keys
    """
)

# Reads at most as many index entries as the quota allows, plus the waiting callbacks, however long the history is.
# Callbacks do not count: a receiver that is down for a night must not keep its producer from posting.
_COUNT_IN_FLIGHT = text(
    f"""
    SELECT wanted.producer_id, (
        SELECT count(*) FROM (
            SELECT FROM gristmill.jobs
            WHERE jobs.producer_id = wanted.producer_id AND state IN ({sql_list(LIVE)})
              AND task <> '{TASK}'
            LIMIT wanted.quota) AS live)
    FROM unnest(CAST(:producers AS uuid[]), CAST(:quotas AS int[])) AS wanted(producer_id, quota)
    """
)


def remaining_quota(session: Session, quotas: Mapping[UUID, int]) -> dict[UUID, int]:
    """Return how many more jobs each producer may have in flight, and block other transactions that ask for them.

    They wait until the caller's transaction ends. The lock has a statement of its own, because the count must see what
    was committed during the wait.

    Args:
        quotas: the largest number of jobs in flight, by producer.
    """
    producers = [str(producer) for producer in quotas]
    session.execute(_LOCK_QUOTAS, {"producers": producers})
    rows = session.execute(_COUNT_IN_FLIGHT, {"producers": producers, "quotas": list(quotas.values())})
    return {producer: max(0, quotas[producer] - live) for producer, live in rows}
