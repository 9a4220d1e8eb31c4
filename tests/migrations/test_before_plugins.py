"""An installation from before the plugins is moved into the schema of the platform, with its data and its jobs."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from sqlalchemy import Connection, text

from gristmill import migrations
from gristmill.migrations.before_plugins import TABLES
from gristmill.services.postgres import USER, Postgres
from gristmill.shared.errors import MigrationError
from gristmill.shared.jobs.outbox import take_due
from gristmill.shared.plugins.load import load_plugins
from gristmill.workers.execute.attempt import Executor
from tests.conftest import execute
from tests.factories import effects, reached, states
from tests.migrations.catalogue import connected, relations, tables
from tests.migrations.old_installation import Rows, install, rows, without_new_columns
from tests.migrations.test_migrations import lag

OLD_NAMES = {table for names in TABLES.values() for table in names}


@contextmanager
def changing(url: str) -> Iterator[Connection]:
    with connected(url) as connection:
        yield connection
        connection.commit()


def snapshot(url: str, schema: str) -> Rows:
    with connected(url) as connection:
        return rows(connection, schema)


@pytest.mark.parametrize("revision", ["0011", "0013", "0026", "head"])
def test_an_old_installation_is_moved_with_all_its_rows_from_any_of_the_last_revisions(
    empty_url: str, database_url: str, revision: str
) -> None:
    install(empty_url, revision)
    before = snapshot(empty_url, "public")
    assert all(len(found) == 1 for found in before.values()), "a row in every table"
    migrations.upgrade(empty_url)
    assert without_new_columns(snapshot(empty_url, "gristmill"), before) == before
    assert tables(empty_url, "public") == set()
    assert lag(empty_url) is None
    assert relations(empty_url) == relations(database_url), "as a new installation has them"


def test_no_row_is_copied_by_the_move(empty_url: str) -> None:
    query = "SELECT relname, relfilenode FROM pg_class WHERE relname = ANY(:names) ORDER BY 1"
    install(empty_url)
    with connected(empty_url) as connection:
        before = connection.execute(text(query), {"names": sorted(OLD_NAMES)}).all()
    migrations.upgrade(empty_url)
    with connected(empty_url) as connection:
        assert connection.execute(text(query), {"names": sorted(OLD_NAMES)}).all() == before


def test_a_job_that_waited_in_the_old_tables_runs_after_the_move(empty_url: str) -> None:
    load_plugins()
    install(empty_url)
    migrations.upgrade(empty_url)
    with reached(empty_url) as database:
        with database.transaction() as session:
            (due,) = take_due(session, limit=10)
        Executor(database, worker="test@here", queue=due.queue).execute([due.job_id])
        assert states(database, due.job_id) == ["succeeded"]
        assert effects(database, "kept") == 1


def test_new_rows_go_on_counting_where_the_old_ones_ended(empty_url: str) -> None:
    install(empty_url)
    migrations.upgrade(empty_url)
    insert = "INSERT INTO gristmill.demo_effects (key, job_id, attempt) VALUES ('b', gen_random_uuid(), 1) RETURNING id"
    with changing(empty_url) as connection:
        assert connection.execute(text(insert)).scalar_one() == 2


@pytest.mark.parametrize(
    ("revision", "of_the_team"),
    [
        ("0027", ["users", "jobs", "outbox"]),  # as a team may number its own
        ("a1b2c3", ["users", "attempts", "dead_letters", "idempotency_keys", "jobs", "outbox"]),
    ],
)
def test_a_team_keeps_its_own_alembic_version_and_users_beside_a_new_installation(
    team_url: str, revision: str, of_the_team: list[str]
) -> None:
    with changing(team_url) as connection:
        for table, value in ({"alembic_version": revision} | dict.fromkeys(of_the_team, "ada")).items():
            connection.execute(text(f"CREATE TABLE public.{table} (version_num text)"))
            connection.execute(text(f"INSERT INTO public.{table} VALUES (:value)"), {"value": value})
    migrations.upgrade(team_url)
    assert lag(team_url) is None
    assert tables(team_url, "public") == {"alembic_version", *of_the_team}
    with connected(team_url) as connection:
        for table, value in ({"alembic_version": revision} | dict.fromkeys(of_the_team, "ada")).items():
            assert connection.execute(text(f"SELECT version_num FROM public.{table}")).scalars().all() == [value]


def test_an_old_installation_in_a_schema_of_the_search_path_is_found_beside_a_team_in_public(
    postgres_server: Postgres, empty_url: str, database_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    with changing(empty_url) as connection:
        for statement in (
            "CREATE SCHEMA mill",
            "CREATE TABLE public.alembic_version (version_num text)",
            "INSERT INTO public.alembic_version VALUES ('a1b2c3')",
            "CREATE TABLE public.users (name text)",
            "INSERT INTO public.users VALUES ('ada')",
        ):
            connection.execute(text(statement))
    execute(postgres_server, "ALTER ROLE {} IN DATABASE {} SET search_path = mill, public", USER, name)
    install(empty_url, schema="mill")
    before = snapshot(empty_url, "mill")
    migrations.upgrade(empty_url)
    assert without_new_columns(snapshot(empty_url, "gristmill"), before) == before
    assert relations(empty_url) == relations(database_url)
    assert (tables(empty_url, "mill"), tables(empty_url, "public")) == (set(), {"alembic_version", "users"})
    with connected(empty_url) as connection:
        assert connection.execute(text("SELECT name FROM public.users")).scalars().all() == ["ada"]


def test_revisions_of_a_team_in_the_old_version_table_stay_there(empty_url: str) -> None:
    install(empty_url)
    with changing(empty_url) as connection:
        connection.execute(text("INSERT INTO public.alembic_version VALUES ('a1b2c3')"))
    migrations.upgrade(empty_url)
    assert lag(empty_url) is None
    assert tables(empty_url, "public") == {"alembic_version"}
    with connected(empty_url) as connection:
        assert connection.execute(text("SELECT version_num FROM public.alembic_version")).scalars().all() == ["a1b2c3"]


def test_an_old_installation_that_the_path_of_its_role_put_into_the_schema_is_only_given_its_chains(
    empty_url: str, database_url: str
) -> None:
    with changing(empty_url) as connection:
        connection.execute(text("CREATE SCHEMA gristmill"))
    install(empty_url, schema="gristmill")
    before = snapshot(empty_url, "gristmill")
    migrations.upgrade(empty_url)
    assert without_new_columns(snapshot(empty_url, "gristmill"), before) == before
    assert lag(empty_url) is None
    assert relations(empty_url) == relations(database_url)


def test_a_process_of_the_old_version_in_mid_transaction_stops_the_move_which_says_so_and_can_be_repeated(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "100ms")
    install(empty_url)
    before = snapshot(empty_url, "public")
    with connected(empty_url) as old_process:
        old_process.execute(text("SELECT FROM public.jobs"))
        with pytest.raises(
            MigrationError, match=r"move of the tables .* rolled back: .* Stop the processes of the old"
        ):
            migrations.upgrade(empty_url)
        assert snapshot(empty_url, "public") == before, "nothing was moved"
    migrations.upgrade(empty_url)
    assert without_new_columns(snapshot(empty_url, "gristmill"), before) == before


def test_the_printed_sql_moves_an_old_installation_of_the_last_revision(empty_url: str, database_url: str) -> None:
    install(empty_url)
    before = snapshot(empty_url, "public")
    with psycopg2.connect(empty_url) as connection, connection.cursor() as cursor:
        cursor.execute(migrations.missing_sql(empty_url))
    connection.close()
    assert lag(empty_url) is None
    assert without_new_columns(snapshot(empty_url, "gristmill"), before) == before
    assert relations(empty_url) == relations(database_url)


def test_an_older_revision_is_not_printed_and_the_error_says_how_to_get_on(empty_url: str) -> None:
    install(empty_url, "0013")
    with pytest.raises(MigrationError, match=r"at the revision 0013 .* run `gristmill db upgrade`"):
        migrations.missing_sql(empty_url)
