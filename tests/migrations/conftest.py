"""Databases for the tests of the migrations."""

import os
from collections.abc import Iterator

import pytest

from gristmill.services.postgres import USER, Postgres
from tests.conftest import execute, revive


@pytest.fixture
def empty_url(postgres_server: Postgres) -> Iterator[str]:
    """A database without a single table."""
    revive(postgres_server)
    name = f"empty_{os.urandom(8).hex()}"
    execute(postgres_server, "CREATE DATABASE {}", name)
    yield postgres_server.url_of(name)
    revive(postgres_server)
    execute(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def team_url(postgres_server: Postgres, empty_url: str) -> str:
    """An empty database with the search path of a team."""
    name = empty_url.rpartition("/")[2]
    execute(postgres_server, "ALTER ROLE {} IN DATABASE {} SET search_path = public", USER, name)
    return empty_url
