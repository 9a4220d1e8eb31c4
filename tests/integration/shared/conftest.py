"""Databases for the tests of the shared statements."""

from collections.abc import Iterator

import pytest

from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from tests.factories import own_database, reached


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of this test's own."""
    with reached(database_url) as database:
        yield database


@pytest.fixture(scope="module")
def table_database(postgres_server: Postgres, migrated_template: str) -> Iterator[Database]:
    """A migrated database for all rows of a table of cases: each looks at its own job only."""
    with own_database(postgres_server, migrated_template) as url, reached(url) as database:
        yield database
