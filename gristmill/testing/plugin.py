"""The pytest plugin. It imports nothing of the platform before a test asks for one of its fixtures."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gristmill.testing.mill import Mill
    from gristmill.testing.platform import Platform
    from gristmill.testing.records import Attempt

VARIABLE = "GRISTMILL_TEST_SERVER_URL"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for a server that runs already."""
    parser.getgroup("gristmill").addoption(
        "--gristmill-server",
        metavar="URL",
        help=f"Make the databases of the tests on this Postgres server; without it, and without {VARIABLE}, an "
        "embedded one is started. No other database there is touched.",
    )


@pytest.fixture(scope="session")
def gristmill_settings() -> Mapping[str, Any]:
    """Settings that a project wants in its tests, by attribute, such as {"mail_from": "shop@example.com"}.

    A project defines a fixture of this name in its conftest.py.
    """
    return {}


@pytest.fixture(scope="session")
def gristmill_prepare() -> Callable[[str], object]:
    """A function that makes the tables of an application that migrates itself; the platform's are there.

    A project defines a fixture of this name in its conftest.py. The function is called once in a session, with the URL
    of the database that each test then gets a copy of; it closes the connections that it opens.
    """
    return lambda _: None


@pytest.fixture(scope="session")
def gristmill_server(
    pytestconfig: pytest.Config,
    gristmill_settings: Mapping[str, Any],
    gristmill_prepare: Callable[[str], object],
) -> Iterator[Platform]:
    """The server of the session, with the migrated database that each test gets a copy of.

    Its `url` is that of the database of the tests. The variables GRISTMILL_… of the environment say the same.
    """
    try:
        from gristmill.testing.platform import started
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "gristmill":
            raise
        pytest.fail(f"gristmill.testing needs {error.name}: pip install 'gristmill[embedded]'", pytrace=False)
    server_url = pytestconfig.getoption("--gristmill-server", default=None) or os.environ.get(VARIABLE)
    with started(
        pytestconfig.rootpath, server_url=server_url, changes=gristmill_settings, prepare=gristmill_prepare
    ) as platform:
        yield platform


@pytest.fixture
def mill(gristmill_server: Platform, request: pytest.FixtureRequest) -> Iterator[Mill]:
    """The platform in this test, with a database, mails and a clock of its own."""
    from gristmill.testing.mill import Mill

    def show(attempt: Attempt) -> None:
        assert attempt.error is not None  # noqa: S101  only such attempts are shown
        title = f"attempt {attempt.number} of {attempt.task} failed, its job is {attempt.state}"
        request.node.add_report_section("call", title, "".join(traceback.format_exception(attempt.error)))

    with ExitStack() as stack:
        clock = stack.enter_context(gristmill_server.renewed())
        yield Mill(gristmill_server, clock, stack, show)
