"""Fixtures beside `mill`, which the test kit brings."""

from collections.abc import Callable

import pytest

from models import create_tables


@pytest.fixture(scope="session")
def gristmill_prepare() -> Callable[[str], object]:
    """Make the tables of the bank, once: each test gets a copy."""
    return create_tables
