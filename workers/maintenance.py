"""The maintenance process: the loops that repair what a crash left behind. Any number of them may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

import tasks  # noqa: F401  fills the registry: retry policies are read from it
from shared.db import Database
from workers.loop import Stop, repeat
from workers.reconciler import BATCH, take_over_lost

if TYPE_CHECKING:
    from shared.settings import Settings

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Run the maintenance loops until SIGTERM or SIGINT."""
    stop = Stop()
    stop.install()
    database = Database(settings, application_name="gristmill maintenance", pool_size=1)

    def tick() -> float:
        moved = take_over_lost(database)
        return 0.0 if moved == BATCH else settings.maintenance_poll

    log.info("maintenance.started", poll=settings.maintenance_poll)
    try:
        repeat(tick, stop, name="maintenance", expected=(SQLAlchemyError,))
    finally:
        database.dispose()
    log.info("maintenance.stopped")
