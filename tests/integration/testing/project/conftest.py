"""Settings and tables that a project gives to its tests."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest


@pytest.fixture(scope="session")
def gristmill_settings() -> dict[str, Any]:
    return {"mail_from": "shop@example.com"}


@pytest.fixture(scope="session")
def gristmill_prepare() -> Callable[[str], None]:
    def prepare(url: str) -> None:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE prepared AS SELECT 'by the application' AS name")

    return prepare
