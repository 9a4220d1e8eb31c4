"""Fixtures beside `mill`, which the test kit brings."""

from collections.abc import Iterator, Sequence

import pytest
from flask.testing import FlaskClient

from bookshop.web import create_app
from gristmill.testing import Mill


@pytest.fixture(scope="session")
def gristmill_time_columns() -> Sequence[str]:
    """These columns move when a test moves time."""
    return ["public.orders.created_at"]


@pytest.fixture
def web(mill: Mill) -> Iterator[FlaskClient]:
    """The web application on the database of the test."""
    app = create_app(mill.url)
    yield app.test_client()
    app.extensions["engine"].dispose()
