"""Delete what is over and only takes room: idempotency keys after their 24 hours, in bites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from shared.queries.earlier import prune_keys

if TYPE_CHECKING:
    from shared.db import Database

BITE: Final = 1_000  # rows a transaction: some milliseconds, so that no POST waits for one of their locks
log = structlog.get_logger(__name__)


def prune(database: Database) -> int:
    """Delete at most a bite of expired idempotency keys and return how many; any number of processes may do so."""
    with database.transaction() as session:
        pruned = prune_keys(session, limit=BITE)
    if pruned:
        log.info("idempotency_keys.pruned", keys=pruned)
    return pruned
