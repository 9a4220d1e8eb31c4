"""Write the tasks of this process into the database, so that `gristmill.enqueue` there knows them."""

from __future__ import annotations

import threading
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import structlog

from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.enqueuing.declaration import describe
from gristmill.shared.enqueuing.queries_tasks import write_tasks
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

PAUSE: Final = 5.0  # seconds between two tries while the database is away
log = structlog.get_logger(__name__)


def declare_tasks(database: Database) -> None:
    """Write the tasks of this process, those of the demo only where they are on.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away, or has no such table yet.
    """
    with database.transaction() as session:
        written = write_tasks(session, _described(demo=database.settings.demo_tasks))
    log.debug("tasks.declared", written=written)


def declare_in_background(database: Database) -> None:
    """Write the tasks of this process from a thread, as soon as the database allows it."""
    threading.Thread(target=_keep_trying, args=(database,), name="declare tasks", daemon=True).start()


def task_names() -> list[str]:
    """Return the names of the tasks that this process knows."""
    load_plugins()
    return [task.name for task in registry]


def _keep_trying(database: Database) -> None:
    pause = threading.Event()
    while True:
        try:
            declare_tasks(database)
        except DATABASE_ERRORS as error:
            log.debug("tasks.not_declared", error=type(error).__name__)
            pause.wait(PAUSE)
        else:
            return


def _described(*, demo: bool) -> list[dict[str, Any]]:
    plugins = load_plugins()
    return [
        describe(task, plugin=plugins.owner_of(task), version=_version_of(task.module.partition(".")[0]))
        for task in registry
        if demo or not task.demo
    ]


@cache
def _version_of(package: str) -> str | None:
    """Return the version of the distribution that is called like a package; None without one."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
