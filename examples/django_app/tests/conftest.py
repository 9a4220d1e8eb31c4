"""Fixtures beside `mill`, which the test kit brings. Django connects to the database of each test."""

import os
from collections.abc import Callable, Iterator

import django
import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from gristmill.testing import Mill
from hotel.database import database

os.environ["DJANGO_SETTINGS_MODULE"] = "hotel.settings"
django.setup()


def connect_to(url: str) -> None:
    connection.close()
    connection.settings_dict.update(database(url))


@pytest.fixture(scope="session")
def gristmill_prepare() -> Callable[[str], object]:
    """Django's migrations make the tables of the hotel, once: each test gets a copy."""

    def migrate(url: str) -> None:
        connect_to(url)
        call_command("migrate", verbosity=0)
        connection.close()

    return migrate


@pytest.fixture
def web(mill: Mill) -> Iterator[Client]:
    """The web application on the database of the test."""
    connect_to(mill.url)
    yield Client(headers={"host": "localhost"})
    connection.close()
