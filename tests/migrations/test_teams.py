"""A team's migrations beside those of the platform: applied, written and dropped by themselves."""

import shutil
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import text

from gristmill import migrations
from gristmill.migrations.chains import CORE, Chain, core_chain
from gristmill.migrations.state import read_script
from tests.migrations.catalogue import connected, relations, tables
from tests.migrations.plugins import MODELS, db, project, revise, shop

WITH_A_COLUMN = MODELS.replace(
    '"title", Text, nullable=False', '"title", Text, nullable=False), Column("paid_at", Text'
)
WITHOUT_DEMO = "accounts,mail,notifications,records"


def platform_of_another_release(folder: Path) -> Chain:
    """The core's chain in a folder of its own, to which a later release adds revisions."""
    shutil.copytree(core_chain().folder, folder)
    return Chain(CORE, folder, core_chain().metadata)


def test_a_teams_migration_and_one_of_fifty_platform_commits_are_both_applied_and_none_is_skipped(
    team_url: str, tmp_path: Path
) -> None:
    core = platform_of_another_release(tmp_path / "core")
    team = shop(tmp_path / "shop", "shop", "orders")
    head = read_script(core).get_current_head()
    revise(team, "0028", None, "CREATE TABLE orders (id int)")  # with the number that the platform takes, too
    migrations.upgrade(team_url, [core, team])
    newer = Chain(CORE, core.folder, core.metadata)
    revise(newer, "0028", head, "CREATE TABLE gristmill.of_the_platform (id int)")
    for number in range(29, 79):
        revise(newer, f"00{number}", f"00{number - 1}", f"CREATE TABLE gristmill.step_{number} (id int)")
    team = Chain(team.name, team.folder, team.metadata)
    revise(team, "0029", "0028", "CREATE TABLE invoices (id int)")
    migrations.upgrade(team_url, [newer, team])
    assert {"orders", "invoices"} == tables(team_url, "public")
    made = tables(team_url, "gristmill")
    assert {"of_the_platform", *(f"step_{number}" for number in range(29, 79))} <= made
    with connected(team_url) as connection:
        versions = connection.execute(
            text(
                "SELECT version_num FROM gristmill.alembic_version "
                "UNION ALL SELECT version_num FROM gristmill.alembic_version_shop"
            )
        )
        assert versions.scalars().all() == ["0078", "0029"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one table, without a migration yet."""
    return project(tmp_path / "shop_project")


def written(output: str) -> Path:
    """Return the path that `gristmill db revision` tells."""
    return Path(output.strip().rpartition("wrote ")[2])


def test_a_project_writes_its_migrations_from_its_models_and_from_nobody_elses(team_url: str, folder: Path) -> None:
    with psycopg2.connect(team_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE of_the_application (id int)")
    connection.close()
    assert db(folder, team_url, "upgrade")[0] == 0
    code, output = db(folder, team_url, "revision", "-m", "add orders")
    first = written(output)
    assert (code, first.parent) == (0, folder / "shop" / "migrations" / "versions"), output
    made = first.read_text()
    assert "op.create_table('orders'" in made
    assert "gristmill" not in made
    assert "of_the_application" not in made
    assert db(folder, team_url, "current")[0] == 1, "it is behind"
    assert "shop at " in db(folder, team_url, "upgrade")[1]
    assert tables(team_url, "public") == {"of_the_application", "orders"}

    code, output = db(folder, team_url, "revision", "-m", "nothing new")
    assert code != 0
    assert "there is nothing to write" in output

    (folder / "shop" / "models.py").write_text(WITH_A_COLUMN)
    second = written(db(folder, team_url, "revision", "-m", "paid at")[1]).read_text()
    assert "op.add_column" in second
    assert "drop_table" not in second
    code, output = db(folder, team_url, "revision", "-m", "again")
    assert code != 0
    assert "run `gristmill db upgrade` first" in output
    assert db(folder, team_url, "upgrade")[0] == 0
    assert db(folder, team_url, "current")[0] == 0


@pytest.mark.long
def test_two_migrations_that_were_made_side_by_side_are_merged(team_url: str, folder: Path) -> None:
    names = [written(db(folder, team_url, "revision", "--empty", "-m", "begin")[1]).stem.split("_")[0]]
    for message in ("one side", "other side"):
        path = written(db(folder, team_url, "revision", "--empty", "-m", message)[1])
        names.append(path.stem.split("_")[0])
        path.write_text(path.read_text().replace(f"down_revision = '{names[1]}'", f"down_revision = '{names[0]}'"))
        shutil.rmtree(path.parent / "__pycache__")  # of the same second and size, so taken for this
    code, output = db(folder, team_url, "upgrade")
    assert code != 0
    assert "gristmill db revision --merge" in output
    assert db(folder, team_url, "revision", "--merge", "-m", "join")[0] == 0
    assert db(folder, team_url, "upgrade")[0] == 0
    assert db(folder, team_url, "current")[0] == 0


@pytest.mark.long
def test_the_printed_sql_applies_the_migrations_of_the_platform_and_of_the_project(
    team_url: str, folder: Path, database_url: str
) -> None:
    db(folder, team_url, "revision", "--empty", "-m", "begin")
    path = written(db(folder, team_url, "revision", "--empty", "-m", "orders")[1])
    path.write_text(path.read_text().replace("    pass", '    op.execute("CREATE TABLE orders (id int)")', 1))
    code, printed = db(folder, team_url, "upgrade", "--sql")
    assert code == 0
    assert printed == db(folder, team_url, "sql")[1]
    assert tables(team_url, "public") == set(), "nothing was applied"
    with psycopg2.connect(team_url) as connection, connection.cursor() as cursor:
        cursor.execute(printed)
    connection.close()
    assert db(folder, team_url, "current")[0] == 0
    assert tables(team_url, "public") == {"orders"}
    mine = [each for each in relations(team_url) if "alembic_version_shop" not in each]
    assert mine == relations(database_url)
    assert db(folder, team_url, "sql")[1] == "-- nothing is missing\n"


def test_the_tables_of_a_plugin_that_is_left_out_stay_until_they_are_dropped(team_url: str, tmp_path: Path) -> None:
    assert db(tmp_path, team_url, "upgrade")[0] == 0
    with psycopg2.connect(team_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gristmill.demo_effects (key, job_id, attempt) VALUES ('k', gen_random_uuid(), 1), "
            "('k', gen_random_uuid(), 1)"
        )
    connection.close()
    code, output = db(tmp_path, team_url, "drop", "demo", "--yes")
    assert code != 0
    assert "demo is loaded: leave it out of GRISTMILL_PLUGINS" in output

    assert db(tmp_path, team_url, "upgrade", GRISTMILL_PLUGINS=WITHOUT_DEMO)[0] == 0
    code, output = db(tmp_path, team_url, "drop", "demo", GRISTMILL_PLUGINS=WITHOUT_DEMO)
    assert code != 0, "nobody has answered"
    assert "gristmill.demo_effects: 2 rows" in output
    assert "demo_effects" in tables(team_url, "gristmill")

    assert db(tmp_path, team_url, "drop", "demo", "--yes", GRISTMILL_PLUGINS=WITHOUT_DEMO)[0] == 0
    assert tables(team_url, "gristmill") & {"demo_effects", "alembic_version_demo"} == set()
    assert db(tmp_path, team_url, "current", GRISTMILL_PLUGINS=WITHOUT_DEMO)[0] == 0
    assert db(tmp_path, team_url, "upgrade")[0] == 0, "whoever takes it in again finds it empty"
    assert "demo_effects" in tables(team_url, "gristmill")


@pytest.mark.long
def test_the_tables_that_others_refer_to_are_not_dropped_before_these(team_url: str, tmp_path: Path) -> None:
    assert db(tmp_path, team_url, "upgrade")[0] == 0
    code, output = db(tmp_path, team_url, "drop", "accounts", "--yes", GRISTMILL_PLUGINS="mail,records")
    assert code != 0
    assert "drop notifications first" in output
    assert "users" in tables(team_url, "gristmill")


def test_a_plugin_that_is_not_installed_is_refused_with_those_that_are(team_url: str, tmp_path: Path) -> None:
    code, output = db(tmp_path, team_url, "drop", "shop", "--yes", GRISTMILL_PLUGINS=WITHOUT_DEMO)
    assert code != 0
    assert "No plugin with migrations is called 'shop'; there are demo" in output
