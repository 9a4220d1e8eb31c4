"""Delete what has expired, in small transactions: idempotency keys, and the rows that plugins name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from gristmill.shared.jobs.idempotency import prune_keys
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.plugins.references import import_reference

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

Prune = Callable[..., int]
BATCH: Final = 1_000  # rows a transaction: some milliseconds, so that no POST waits for a lock
log = structlog.get_logger(__name__)


def prune(database: Database) -> int:
    """Delete at most a batch of each kind, and return the largest number; any number of processes may do so."""
    return max(_prune(database, name, function) for name, function in _functions().items())


def _functions() -> dict[str, Prune]:
    """Return the functions that prune, by the name under which they log."""
    found: dict[str, Prune] = {"idempotency_keys": prune_keys}
    for plugin in load_plugins().plugins:
        for reference in plugin.prune:
            found[reference] = import_reference(reference, source=f"prune of the plugin {plugin.name}")
    return found


def _prune(database: Database, name: str, function: Prune) -> int:
    with database.transaction() as session:
        rows = function(session, limit=BATCH)
    if rows:
        log.info("rows.pruned", by=name, rows=rows)
    return rows
