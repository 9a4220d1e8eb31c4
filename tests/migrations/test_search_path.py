"""The search path belongs to the team: tables of our names in `public` are neither read nor written."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from gristmill import migrations
from gristmill.migrations.chains import all_chains
from gristmill.services.postgres import USER, Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.outbox import take_due
from gristmill.shared.operating.queries_queue_depths import list_depths
from gristmill.shared.people.models import User
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.shared.schedules.fire import fire_due
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.repair.pruner import prune
from tests import platform_tasks as tasks
from tests.conftest import execute
from tests.contexts import perform
from tests.factories import change, effects, post, reached, states
from tests.migrations.catalogue import connected

ADA = {"email": "ada@example.com", "password": "Lovelace1", "full_name": "Ada Lovelace"}
OURS = sorted(table.name for chain in all_chains() for table in chain.metadata.tables.values())


@pytest.fixture(params=["public", "public, gristmill", "''"])
def database(request: pytest.FixtureRequest, postgres_server: Postgres, empty_url: str) -> Iterator[Database]:
    """A platform beside tables of the team that are called as ours are, behind one of several search paths."""
    name = make_url(empty_url).database or ""
    with connected(empty_url) as connection:
        for table in OURS:
            connection.execute(text(f"CREATE TABLE public.{table} (of_the_team text)"))
        connection.commit()
    execute(postgres_server, f"ALTER ROLE {{}} IN DATABASE {{}} SET search_path = {request.param}", USER, name)
    migrations.upgrade(empty_url)
    with reached(empty_url) as database:
        yield database
    with connected(empty_url) as connection:
        counts = {table: connection.execute(text(f"SELECT count(*) FROM public.{table}")).scalar() for table in OURS}
    assert counts == dict.fromkeys(OURS, 0), "nothing of ours was written there"


def work_off(database: Database) -> list[UUID]:
    with database.transaction() as session:
        due = take_due(session, limit=100)
    for hint in due:
        Executor(database, worker="test@here", queue=hint.queue).execute([hint.job_id])
    return [hint.job_id for hint in due]


def test_jobs_run_fail_and_end_as_dead_letters_beside_tables_of_our_names(database: Database) -> None:
    good = post(database, tasks.effect, key="k")
    bad = post(database, tasks.fail, times=-1, kind="permanent")
    assert set(work_off(database)) == {good, bad}
    assert states(database, good, bad) == ["succeeded", "dead"]
    assert effects(database, "k") == 1
    with database.transaction() as session:
        assert sum(depth.dead for depth in list_depths(session, ["data_processing_queue"])) == 1
    prune(database)


def test_accounts_and_schedules_work_beside_tables_of_our_names(database: Database) -> None:
    user = UUID(perform(database, tasks.create_user, ADA)["user_id"])
    with database.transaction() as session:
        assert session.get_one(User, user).email == ADA["email"]
        sync_schedules(session, load_plugins().schedules)
    change(database, "UPDATE gristmill.schedules SET next_fire_at = clock_timestamp()")
    with database.transaction() as session:
        assert sum(fire_due(session).values()) == 1
