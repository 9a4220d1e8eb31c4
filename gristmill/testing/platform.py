"""The platform of a session of tests: its server, its settings, its mail server and its executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.services.mailcatcher import Mailbox
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.declare_tasks import declare_tasks
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.testing.clock import Clock
from gristmill.testing.mail_server import mail_server
from gristmill.testing.recording import RecordingExecutor
from gristmill.testing.server import Server, running
from gristmill.testing.settings import in_environment, make_settings
from gristmill.testing.task_lookup import plugins_of_project

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from gristmill.shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform of a session of tests, without its processes.

    Attributes:
        url: the URL of the database, which is the same for all tests of the session.
        root: the folder of the project.
    """

    root: Path
    url: str
    settings: Settings
    server: Server
    database: Database
    executor: RecordingExecutor
    mailbox: Mailbox

    @contextmanager
    def renewed(self) -> Iterator[Clock]:
        """Begin a test: a new copy of the database, no mails, and a clock that is not moved, which is yielded."""
        self.server.renew()
        self.mailbox.clear()
        # Now and not in the template, so that none is due before its time; those of the platform would only be noise.
        schedules = [schedule for plugin in plugins_of_project() for schedule in plugin.schedules]
        with self.database.transaction() as session:
            sync_schedules(session, schedules)
        clock = Clock(self.database)
        try:
            yield clock
        finally:
            clock.stop()
            self.database.dispose()


@contextmanager
def started(
    root: Path, *, server_url: str | None, changes: Mapping[str, Any], prepare: Callable[[str], object]
) -> Iterator[Platform]:
    """Start what a session needs, and end it when the block ends.

    Args:
        root: the folder of the project, whose pyproject.toml names its plugin.
        server_url: a server to make databases on; an embedded one is started without it.
        changes: settings of the project, by attribute.
        prepare: makes the application's own tables in the template, given its URL.

    Raises:
        MillError: the server or the settings cannot be used; says what to do.
        PluginError: a plugin cannot be used.
        MigrationError: a migration failed.
    """
    with ExitStack() as stack:
        mailbox = Mailbox()
        smtp_url = stack.enter_context(mail_server(mailbox))
        with chdir(root):
            load_plugins()
        server = stack.enter_context(running(server_url))
        settings = make_settings(server.url, smtp_url, changes)
        stack.enter_context(in_environment(settings))
        server.prepare(lambda engine, url: _fill(engine, url, settings, prepare))
        database = Database(settings, application_name="gristmill testing", recycle=-1)
        stack.callback(database.dispose)
        yield Platform(root, server.url, settings, server, database, RecordingExecutor(database), mailbox)


def _fill(engine: Engine, url: str, settings: Settings, prepare: Callable[[str], object]) -> None:
    """Migrate the template, make the tables that no migration of a plugin makes, and write the tasks."""
    from dataclasses import replace

    from gristmill import migrations
    from gristmill.migrations.chains import metadata_of
    from gristmill.shared.settings import Secret

    migrations.upgrade(url)
    prepare(url)
    for plugin in load_plugins().plugins:
        if plugin.migrations is None and (metadata := metadata_of(plugin)) is not None:
            metadata.create_all(engine)  # an application's own, which other tools migrate elsewhere
    database = Database(replace(settings, database_url=Secret(url)), application_name="gristmill testing")
    declare_tasks(database)
    database.dispose()
