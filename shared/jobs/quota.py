"""How many jobs a producer has in flight, counted so that nobody adds one meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.jobs.callbacks import TASK
from gristmill.shared.states import LIVE, sql_list

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

# In the order of the keys: two flushes with the same producers wait for each other instead of deadlocking.
_LOCK = text(
    """
    SELECT pg_advisory_xact_lock(key) FROM (
        SELECT hashtextextended('quota ' || id, 0) AS key FROM unnest(CAST(:producers AS text[])) AS id ORDER BY key
    ) AS keys
    """
)

# It reads at most as many index entries as the quota allows and callbacks wait, however long the history is. These do
# not count: a receiver that is down for a night must not keep its producer from posting.
_COUNT = text(
    f"""
    SELECT wanted.producer_id, (
        SELECT count(*) FROM (
            SELECT FROM jobs
            WHERE jobs.producer_id = wanted.producer_id AND state IN ({sql_list(LIVE)})
              AND task <> '{TASK}'
            LIMIT wanted.quota) AS live)
    FROM unnest(CAST(:producers AS uuid[]), CAST(:quotas AS int[])) AS wanted(producer_id, quota)
    """
)


def measure_room(session: Session, quotas: Mapping[UUID, int]) -> dict[UUID, int]:
    """Return how many more jobs each producer may have in flight; its others wait until the caller's transaction ends.

    The wait is in a statement of its own: the count must see what was committed meanwhile.

    Args:
        quotas: the most that each may have.
    """
    producers = [str(producer) for producer in quotas]
    session.execute(_LOCK, {"producers": producers})
    rows = session.execute(_COUNT, {"producers": producers, "quotas": list(quotas.values())})
    return {producer: max(0, quotas[producer] - live) for producer, live in rows}
