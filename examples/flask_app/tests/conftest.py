"""Fixtures beside `mill`, which the test kit brings."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from bookshop.web import create_app
from gristmill.testing import Mill


@pytest.fixture
def web(mill: Mill) -> Iterator[FlaskClient]:
    """The web application on the database of the test."""
    app = create_app(mill.url)
    yield app.test_client()
    app.extensions["engine"].dispose()
