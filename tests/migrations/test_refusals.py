"""A migration that cannot be applied is refused before anything is applied, with a message that says what to do."""

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.engine import make_url

from gristmill import migrations
from gristmill.migrations.chains import Chain, chains_of, core_chain, refuse_shared_tables, tables_by_owner
from gristmill.services.postgres import USER, Postgres
from gristmill.shared.errors import MigrationError
from gristmill.shared.plugins.discover import discover_plugins
from gristmill.shared.plugins.plugin import Plugin
from tests.conftest import execute
from tests.migrations.catalogue import connected, tables
from tests.migrations.plugins import revise, shop


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """A team's chain of two revisions that make a table each."""
    made = shop(tmp_path / "versions", "shop", "orders")
    revise(made, "a1", None, "CREATE TABLE orders (id int)")
    revise(made, "b2", "a1", "CREATE TABLE carts (id int)")
    return made


def upgrade(url: str, chain: Chain) -> None:
    migrations.upgrade(url, [Chain(chain.name, chain.folder, chain.metadata, chain.requires, chain.source)])


def refused(url: str, chain: Chain, match: str) -> None:
    """Expect a refusal that applies nothing, not of the core either."""
    before = tables(url, "gristmill") | tables(url, "public")
    again = Chain(chain.name, chain.folder, chain.metadata, chain.requires, chain.source)
    with pytest.raises(MigrationError, match=match):
        migrations.upgrade(url, [core_chain(), again])
    assert tables(url, "gristmill") | tables(url, "public") == before


def test_a_revision_that_was_deleted_or_is_from_newer_code_is_named_with_its_plugin_and_folder(
    team_url: str, chain: Chain
) -> None:
    upgrade(team_url, chain)
    (chain.folder / "b2.py").unlink()
    refused(team_url, chain, rf"revision b2 of shop, and {chain.folder} has no such file.*put it back.*deploy that")


def test_a_revision_whose_predecessor_was_renamed_is_named(team_url: str, chain: Chain) -> None:
    (chain.folder / "a1.py").unlink()
    refused(team_url, chain, rf"migrations of shop in {chain.folder} cannot be read: .*'?a1'?")


def test_two_revisions_with_one_id_are_refused_with_both_files(team_url: str, chain: Chain) -> None:
    upgrade(team_url, chain)
    revise(chain, "b2", "a1", "CREATE TABLE silently_skipped (id int)", file="another")
    refused(team_url, chain, r"Two migrations of shop have the id b2: another\.py and b2\.py")


def test_a_revision_that_is_no_python_is_refused(team_url: str, chain: Chain) -> None:
    (chain.folder / "c3.py").write_text("def upgrade(:")
    refused(team_url, chain, "migrations of shop in .* cannot be read: .*syntax")


def test_two_heads_are_refused_with_the_command_that_joins_them(team_url: str, chain: Chain) -> None:
    upgrade(team_url, chain)
    revise(chain, "c3", "a1", "CREATE TABLE c3 (id int)")
    refused(team_url, chain, r"shop have 2 heads \(b2, c3\).*`gristmill db revision --merge")


def test_a_table_that_no_revision_explains_is_refused_until_it_is_stamped(team_url: str, chain: Chain) -> None:
    with psycopg2.connect(team_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id int); CREATE TABLE carts (id int)")
    connection.close()
    refused(team_url, chain, r"table orders of shop exists, and gristmill\.alembic_version_shop names no revision")
    migrations.stamp(team_url, chain)
    upgrade(team_url, chain)
    assert {"orders", "carts"} == tables(team_url, "public")


def test_a_table_of_the_platforms_name_in_its_schema_is_refused(team_url: str) -> None:
    with psycopg2.connect(team_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA gristmill; CREATE TABLE gristmill.jobs (id int)")
    connection.close()
    with pytest.raises(MigrationError, match=r"table gristmill\.jobs of core exists"):
        migrations.upgrade(team_url)
    assert tables(team_url, "gristmill") == {"jobs"}


def test_a_table_that_a_migration_finds_made_is_named_and_the_chains_before_it_stay(
    team_url: str, chain: Chain
) -> None:
    upgrade(team_url, chain)
    revise(chain, "c3", "b2", "CREATE TABLE c3 (id int)")
    revise(chain, "d4", "c3", "CREATE TABLE orders (id int)")
    again = Chain(chain.name, chain.folder, chain.metadata)
    with pytest.raises(MigrationError, match=r'of shop failed and was rolled back: relation "orders" already exists'):
        migrations.upgrade(team_url, [core_chain(), again])
    assert "jobs" in tables(team_url, "gristmill"), "each chain has a transaction of its own"
    assert tables(team_url, "public") == {"orders", "carts"}, "with all of its revisions"


def test_a_table_that_somebody_holds_is_not_waited_for_long(
    team_url: str, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "100ms")
    upgrade(team_url, chain)
    revise(chain, "c3", "b2", "ALTER TABLE orders ADD COLUMN title text")
    with connected(team_url) as other:
        other.execute(text("SELECT FROM orders"))
        with pytest.raises(MigrationError, match=r"migration of shop failed .* Another transaction holds the lock"):
            upgrade(team_url, chain)
    upgrade(team_url, chain)


def test_another_process_that_migrates_is_waited_for_and_then_named(
    team_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_WAIT", "100ms")
    with migrations.migrating(team_url), pytest.raises(MigrationError, match="Another process has been migrating"):
        migrations.upgrade(team_url)


@pytest.fixture
def guest_url(postgres_server: Postgres, team_url: str) -> Iterator[str]:
    """The database as a role that may create nothing in it sees it."""
    role = "guest_of_a_test"
    name = team_url.rpartition("/")[2]
    execute(postgres_server, "CREATE ROLE {} LOGIN PASSWORD 'guest'", role)
    execute(postgres_server, "GRANT CREATE ON SCHEMA public TO {}", role)
    yield make_url(team_url).set(username=role, password="guest").render_as_string(hide_password=False)
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")
    execute(postgres_server, f"CREATE DATABASE {name}")
    execute(postgres_server, f"DROP OWNED BY {role}")
    execute(postgres_server, "DROP ROLE {}", role)


def test_a_role_that_may_not_create_the_schema_is_told_the_grant_which_suffices(
    postgres_server: Postgres, team_url: str, guest_url: str
) -> None:
    name = team_url.rpartition("/")[2]
    grant = f"GRANT CREATE ON DATABASE {name} TO guest_of_a_test"
    with pytest.raises(MigrationError, match=f"guest_of_a_test may not create the schema gristmill.*`{grant}`"):
        migrations.upgrade(guest_url)
    assert tables(team_url, "gristmill") == set()
    execute(postgres_server, grant)
    migrations.upgrade(guest_url)
    assert "jobs" in tables(team_url, "gristmill")


def test_a_role_without_rights_in_the_schema_is_told_who_has_to_migrate(team_url: str, guest_url: str) -> None:
    migrations.upgrade(team_url)
    with pytest.raises(MigrationError, match=r"permission denied .*let the role that owns the tables migrate"):
        migrations.upgrade(guest_url)


def test_tables_of_the_team_do_not_land_in_the_schema_of_a_role_that_is_called_as_it_is(
    postgres_server: Postgres, empty_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    execute(postgres_server, """ALTER ROLE {} IN DATABASE {} SET search_path = "$user", public""", USER, name)
    migrations.upgrade(empty_url)
    with connected(empty_url) as connection:
        assert connection.execute(text("SHOW search_path")).scalar_one() == "public"
        connection.execute(text("CREATE TABLE users (name text)"))
        connection.commit()
    assert tables(empty_url, "public") == {"users"}


def test_a_search_path_of_the_team_keeps_all_but_the_name_of_the_role(
    postgres_server: Postgres, empty_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    execute(postgres_server, """ALTER ROLE {} IN DATABASE {} SET search_path = "$user", shop, public""", USER, name)
    migrations.upgrade(empty_url)
    with connected(empty_url) as connection:
        assert connection.execute(text("SHOW search_path")).scalar_one() == "shop, public"


def metadata_with(table: str, schema: str | None = None) -> MetaData:
    made = MetaData()
    Table(table, made, Column("id", Integer, primary_key=True), schema=schema)
    return made


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (metadata_with("users", "gristmill"), r"gristmill\.users is declared by accounts \(gristmill\.shared\.people"),
        (metadata_with("jobs", "gristmill"), r"gristmill\.jobs is declared by core \(the platform\) and by shop \("),
        (metadata_with("alembic_version_shop", "gristmill"), r"which the migrations use; rename it"),
    ],
)
def test_a_table_that_is_taken_is_refused_with_both_places(metadata: MetaData, message: str) -> None:
    taking = Plugin(name="shop", metadata=metadata)
    with pytest.raises(MigrationError, match=message):
        refuse_shared_tables(tables_by_owner([*discover_plugins(), taking]))


def test_a_table_in_public_may_have_a_name_of_ours_but_not_of_another_team(team_url: str) -> None:
    one, other = (Plugin(name=name, metadata=metadata_with("users")) for name in ("shop", "club"))
    refuse_shared_tables(tables_by_owner([*discover_plugins(), one]))
    with pytest.raises(MigrationError, match=r"public\.users is declared by shop \(.*\) and by club \("):
        refuse_shared_tables(tables_by_owner([*discover_plugins(), one, other]))


@pytest.mark.parametrize("migrations_of", ["gristmill:nowhere", "no_such_package:migrations"])
def test_a_folder_that_is_not_there_is_refused_with_the_option(migrations_of: str) -> None:
    with pytest.raises(
        MigrationError, match=rf"plugin shop names migrations='{migrations_of}', and there is no folder"
    ):
        chains_of([Plugin(name="shop", metadata=MetaData(), migrations=migrations_of)])


def test_migrations_without_metadata_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="shop brings migrations and names no metadata"):
        chains_of([Plugin(name="shop", migrations="gristmill.tasks.mail:migrations")])
