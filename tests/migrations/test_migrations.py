"""The revisions of the schema lead to the tables of the models, forth and back, also when two processes apply them."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from gristmill import migrations, process
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import driver_url
from tests.conftest import execute, revive


@pytest.fixture
def empty_url(postgres_server: Postgres) -> Iterator[str]:
    """A database without a single table."""
    revive(postgres_server)
    name = f"empty_{os.urandom(8).hex()}"
    execute(postgres_server, "CREATE DATABASE {}", name)
    yield postgres_server.url_of(name)
    execute(postgres_server, "DROP DATABASE {} WITH (FORCE)", name)


def tables(url: str) -> set[str]:
    engine = create_engine(driver_url(url))
    with Session(engine) as session:
        found = set(session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'gristmill'")))
    engine.dispose()
    return found


def database_is_current(url: str) -> bool:
    engine = create_engine(driver_url(url))
    with Session(engine) as session:
        is_current = migrations.current(session) == migrations.head()
    engine.dispose()
    return is_current


def test_an_empty_database_is_brought_to_what_the_models_say(empty_url: str) -> None:
    assert not database_is_current(empty_url)
    migrations.upgrade(empty_url)
    assert database_is_current(empty_url)
    config = migrations.alembic_config(empty_url)
    config.attributes["compares"] = True
    command.check(config)  # raises when the models differ


def test_every_revision_can_be_taken_back_and_applied_again(empty_url: str) -> None:
    config = migrations.alembic_config(empty_url)
    revisions = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    migrations.upgrade(empty_url)
    for _ in revisions:
        command.downgrade(config, "-1")
        assert not database_is_current(empty_url)
    assert tables(empty_url) == {"alembic_version"}
    for revision in reversed(revisions):
        migrations.upgrade(empty_url, revision)
    config.attributes["compares"] = True
    command.check(config)


def test_the_revisions_are_one_line(empty_url: str) -> None:
    script = ScriptDirectory.from_config(migrations.alembic_config(empty_url))
    assert len(script.get_heads()) == len(script.get_bases()) == 1


def test_two_that_upgrade_at_once_leave_one_schema(empty_url: str) -> None:
    code = "import os, migrations; migrations.upgrade(os.environ['DATABASE'])"
    env = process.plain_environment({"DATABASE": empty_url, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(process.output_of, [sys.executable, "-c", code], 50.0, env=env) for _ in range(2)]
    for each in both:
        each.result()  # raises when it failed
    assert database_is_current(empty_url)
