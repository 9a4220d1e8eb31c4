"""Fixtures for the tests of tasks: a database, and settings that use it."""

from collections.abc import Iterator

import pytest

from gristmill.shared.database.connect import Database
from tests.contexts import make_settings
from tests.factories import PATIENT


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of this test's own, reached as a worker reaches it."""
    made = Database(
        make_settings(
            {"GRISTMILL_DATABASE_URL": database_url, "GRISTMILL_MAIL_FROM": "The Mill <no-reply@mill.example>"},
            allow_private_webhooks=True,
            allow_http_callbacks=True,
            **PATIENT,
        ),
        application_name="test",
    )
    yield made
    made.dispose()
