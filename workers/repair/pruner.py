"""Delete what is over and only takes room: idempotency keys after their 24 hours, ended sessions, in bites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.jobs.idempotency import prune_keys
from gristmill.shared.people.queries_sessions import prune_sessions

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

BITE: Final = 1_000  # rows a transaction: some milliseconds, so that no POST waits for one of their locks
log = structlog.get_logger(__name__)


def prune(database: Database) -> int:
    """Delete at most a bite of each kind, and return the larger number; any number of processes may do so."""
    with database.transaction() as session:
        keys = prune_keys(session, limit=BITE)
    if keys:
        log.info("idempotency_keys.pruned", keys=keys)
    with database.transaction() as session:
        sessions = prune_sessions(session, limit=BITE)
    if sessions:
        log.info("sessions.pruned", sessions=sessions)
    return max(keys, sessions)
