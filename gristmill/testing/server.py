"""A Postgres for tests: a migrated template, and a copy of it for each test."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from gristmill import migrations
from gristmill.shared.database.connect import Database
from gristmill.testing.queries_databases import copy_database, create_database, drop_database

if TYPE_CHECKING:
    from gristmill.services.postgres import Postgres
    from gristmill.shared.settings import Settings

START_SECONDS = 120.0
Prepare = Callable[[str], object]


class TestServer:
    """The server of a test run.

    Args:
        url: of a database on a server that runs; None starts one. On a server that runs, databases called
            `gristmill_test_…` are made and dropped, and nothing else is touched.
    """

    __test__ = False  # no class of tests, whatever pytest takes it for

    def __init__(self, url: str | None = None) -> None:
        self._own: Postgres | None = None
        self._folder: Path | None = None
        self._url = url or ""
        self._run = uuid.uuid4().hex[:8]
        self._number = 0
        self._next: Future[str] | None = None
        self._copies, self._drops = (ThreadPoolExecutor(1, thread_name_prefix="databases") for _ in range(2))

    @property
    def template(self) -> str:
        """The name of the migrated database that each test gets a copy of."""
        return f"gristmill_test_{self._run}"

    def start(self) -> None:
        """Start the server, unless one was given."""
        if self._url:
            return
        from gristmill.services.postgres import Postgres

        self._folder = Path(tempfile.mkdtemp(prefix="gristmill-test-"))
        self._folder.chmod(0o755)  # Postgres may have to run as the user nobody; its own folder is private
        self._own = Postgres(self._folder / "postgres", durable=False)
        self._own.start(START_SECONDS)
        self._url = self._own.url

    def stop(self) -> None:
        """Drop the template, and stop the server that was started."""
        try:
            if self._next is not None:
                self.drop_copy(self._next.result(START_SECONDS))
            for pool in (self._copies, self._drops):
                pool.shutdown(wait=True)
            if self._url:
                drop_database(self._url, self.template)
        finally:
            if self._own is not None:
                self._own.stop()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def make_template(self, settings: Callable[[str], Settings], prepare: Prepare | None) -> None:
        """Make the template: the platform, the plugins, and what the application adds.

        Args:
            settings: makes settings from the URL of a database.
            prepare: called with the URL of the template, to make the tables of an application.
        """
        from gristmill.shared.plugins.declare_tasks import declare_tasks

        create_database(self._url, self.template)
        url = self.url_of(self.template)
        migrations.upgrade(url)
        if prepare is not None:
            prepare(url)
        database = Database(settings(url), application_name="gristmill test", pool_size=1)
        try:
            declare_tasks(database)
        finally:
            database.dispose()

    def make_copy(self) -> str:
        """Return the name of a copy of the template. The next one is made meanwhile, so that a test need not wait."""
        name = (self._next or self._begin_copy()).result(START_SECONDS)
        self._next = self._begin_copy()
        return name

    def drop_copy(self, name: str) -> None:
        """Drop a copy, and end the connections to it, while other tests run."""
        self._drops.submit(drop_database, self._url, name)

    def _begin_copy(self) -> Future[str]:
        self._number += 1
        return self._copies.submit(self._copy, f"{self.template}_{self._number}")

    def _copy(self, name: str) -> str:
        copy_database(self._url, name, template=self.template)
        return name

    def url_of(self, name: str) -> str:
        """Return the URL of one of the server's databases."""
        return make_url(self._url).set(database=name).render_as_string(hide_password=False)
