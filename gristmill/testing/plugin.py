"""Fixtures of pytest: `mill`, and those that a project may override. Nothing is loaded before one of them is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gristmill.testing.mill import Mill
    from gristmill.testing.server import TestServer


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names a server."""
    parser.getgroup("gristmill").addoption(
        "--gristmill-database",
        metavar="URL",
        help="Postgres for the fixture `mill`, whose role may create databases. Without it one is started.",
    )


@pytest.fixture(scope="session")
def gristmill_prepare() -> Callable[[str], object] | None:
    """Override it to return a function that makes the tables of your application, given the URL of a database."""
    return None


@pytest.fixture(scope="session")
def gristmill_time_columns() -> Sequence[str]:
    """Override it to name columns of your tables that `mill.advance` moves, too: `["public.orders.created_at"]`."""
    return ()


@pytest.fixture(scope="session")
def gristmill_server(
    request: pytest.FixtureRequest, gristmill_prepare: Callable[[str], object] | None
) -> Iterator[TestServer]:
    """A server with a migrated template; the tests of a session share it."""
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.testing.mill import settings_for
    from gristmill.testing.server import TestServer

    load_plugins()
    server = TestServer(request.config.getoption("--gristmill-database"))
    try:
        server.start()
        server.make_template(settings_for, gristmill_prepare)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def gristmill_mails() -> Iterator[Any]:
    """A mail server in this process, whose mails `mill.mails()` returns."""
    from gristmill.testing.mails import CaughtMail

    mails = CaughtMail()
    mails.start()
    yield mails
    mails.stop()


@pytest.fixture
def mill(gristmill_server: TestServer, gristmill_mails: Any, gristmill_time_columns: Sequence[str]) -> Iterator[Mill]:
    """The platform on a database of this test's own, without a broker."""
    from gristmill.testing.mill import Mill

    name = gristmill_server.make_copy()
    gristmill_mails.take()
    made = Mill(gristmill_server.url_of(name), mails=gristmill_mails, time_columns=gristmill_time_columns)
    try:
        yield made
    finally:
        made.close()
        gristmill_server.drop_copy(name)
