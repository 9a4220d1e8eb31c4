"""The revisions of each chain lead to the tables of its models, forth and back, also when two processes apply them."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command

from gristmill import migrations, process
from gristmill.migrations.chains import Chain, all_chains
from gristmill.migrations.state import read_script
from tests.migrations.catalogue import connected, relations, tables


def lag(url: str) -> str | None:
    with connected(url) as connection:
        return migrations.lag(connection)  # type: ignore[arg-type]  # a connection executes as a session does


def check(url: str, chain: Chain) -> None:
    """Raise when the tables of a chain differ from its models."""
    with migrations.migrating(url) as connection:
        command.check(chain.config(connection))


def test_an_empty_database_is_brought_to_what_the_models_say(empty_url: str) -> None:
    assert "core at nothing, and this version needs enqueue_function" in (lag(empty_url) or "")
    migrations.upgrade(empty_url)
    assert lag(empty_url) is None
    for chain in all_chains():
        check(empty_url, chain)


def test_the_platform_makes_nothing_outside_of_its_schema(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    assert tables(empty_url, "public") == set()


def test_every_revision_can_be_taken_back_and_applied_again(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    made = relations(empty_url)
    with migrations.migrating(empty_url) as connection:
        for chain in reversed(all_chains()):
            for _ in read_script(chain).walk_revisions():
                command.downgrade(chain.config(connection), "-1")
                connection.commit()
    assert {name for name in tables(empty_url, "gristmill") if not name.startswith("alembic_version")} == set()
    migrations.upgrade(empty_url)
    assert relations(empty_url) == made


@pytest.mark.parametrize("chain", all_chains(), ids=lambda chain: chain.name)
def test_the_revisions_of_a_chain_are_one_line(chain: Chain) -> None:
    script = read_script(chain)
    assert len(script.get_heads()) == len(script.get_bases()) == 1


def test_the_chains_are_those_of_the_core_and_the_plugins_each_after_what_it_requires() -> None:
    names = [chain.name for chain in all_chains()]
    assert set(names) == {"core", "accounts", "demo", "mail", "notifications", "records"}
    assert names[0] == "core"
    assert names.index("mail") < names.index("accounts") < names.index("notifications")


def test_two_that_upgrade_at_once_leave_one_schema(empty_url: str) -> None:
    code = "import os; from gristmill import migrations; migrations.upgrade(os.environ['DATABASE'])"
    env = process.plain_environment({"DATABASE": empty_url, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(process.output_of, [sys.executable, "-c", code], 50.0, env=env) for _ in range(2)]
    for each in both:
        each.result()  # raises when it failed
    assert lag(empty_url) is None


def test_the_printed_sql_makes_what_the_command_makes(empty_url: str, database_url: str) -> None:
    printed = migrations.missing_sql(empty_url)
    with connected(empty_url) as connection:
        connection.connection.cursor().execute(printed)  # as it is: SQLAlchemy would read %% as %
        connection.commit()
    assert lag(empty_url) is None
    assert relations(empty_url) == relations(database_url)
    assert "CREATE TABLE" not in migrations.missing_sql(empty_url)
