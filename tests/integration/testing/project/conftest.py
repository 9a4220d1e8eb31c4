"""What a project may say about its tests."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine


@pytest.fixture(scope="session")
def gristmill_settings() -> dict[str, Any]:
    return {"mail_from": "shop@example.com"}


@pytest.fixture(scope="session")
def gristmill_prepare() -> Callable[[Engine], None]:
    def prepare(engine: Engine) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE prepared AS SELECT 'by the application' AS name")

    return prepare
