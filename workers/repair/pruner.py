"""Delete expired idempotency keys and ended sessions, in small transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.jobs.idempotency import prune_keys
from gristmill.shared.people.queries_sessions import prune_sessions

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

BATCH: Final = 1_000  # rows a transaction: some milliseconds, so that no POST waits for a lock
log = structlog.get_logger(__name__)


def prune(database: Database) -> int:
    """Delete at most a batch of each kind, and return the larger number; any number of processes may do so."""
    with database.transaction() as session:
        keys = prune_keys(session, limit=BATCH)
    if keys:
        log.info("idempotency_keys.pruned", keys=keys)
    with database.transaction() as session:
        sessions = prune_sessions(session, limit=BATCH)
    if sessions:
        log.info("sessions.pruned", sessions=sessions)
    return max(keys, sessions)
