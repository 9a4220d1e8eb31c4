"""What a statement costs does not grow with the tables: no history is read, no backlog, no table from end to end.

What the product's own functions send is explained as it is sent, on four databases: a small one, one with ten times
the history, one with ten times the backlog, one whose backlog Postgres has not counted yet. Pages that were looked at
are counted; no time is measured.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, Final

import psycopg2
import pytest
from sqlalchemy import text

from bench.growth.explaining import Plan, explained
from bench.growth.history import TABLES, write_history
from bench.growth.lists import COUNTS, LOOKS
from bench.growth.operations import OPERATIONS, Operation
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from tests.factories import own_database, reached

SIZES: Final = {
    "small": (10_000, 1_000),
    "long history": (100_000, 1_000),
    "deep backlog": (19_000, 10_000),
    "sudden backlog": (40_000, 1),
}
# What came since Postgres has last counted: it believes that nothing is alive.
SUDDEN: Final = """
    INSERT INTO gristmill.jobs (id, task, queue, args, state, max_attempts, run_at, lease_until, producer_id)
    SELECT uuidv7(), 'demo.echo', 'data_processing_queue', '{}', state, 3, clock_timestamp(),
           CASE WHEN state = 'running' THEN clock_timestamp() + interval '1 hour' END,
           CAST('00000000-0000-7000-8000-000000000000' AS uuid)
    FROM generate_series(1, 6000) AS n,
         LATERAL (SELECT CASE WHEN mod(n, 2) = 0 THEN 'running' ELSE 'queued' END AS state) AS made;
    INSERT INTO gristmill.outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM gristmill.jobs
    WHERE state = 'queued'
"""
HOT: Final = [*OPERATIONS, *(look for look in LOOKS if look.name.startswith(("reconcile", "prune", "show")))]
# An index of ten times the rows is one page higher: one page more for each index that a row is looked up in or entered.
TALLER: Final = 1.4
FEW: Final = 30  # pages: the ends of indexes, where rows were entered and rolled back before

Databases = dict[str, Database]


@pytest.fixture(scope="module")
def databases(postgres_server: Postgres, migrated_template: str) -> Iterator[Databases]:
    with ExitStack() as stack:
        made = {}
        for name, (rows, live) in SIZES.items():
            url = stack.enter_context(own_database(postgres_server, migrated_template))
            with closing(psycopg2.connect(url)) as connection:
                connection.autocommit = True
                write_history(connection, rows, live=live)
                if name == "sudden backlog":
                    with connection.cursor() as cursor:
                        cursor.execute("ALTER TABLE gristmill.jobs SET (autovacuum_enabled = false)")
                        cursor.execute(SUDDEN)
            made[name] = stack.enter_context(reached(url))
        yield made


def plans_of(
    database: Database, operation: Operation, *, small: bool = False, without: str | None = None
) -> list[Plan]:
    given = operation.ready(database)
    with database.session() as session:
        if without is not None:
            session.execute(text(f"DROP INDEX gristmill.{without}"))
        if small:  # a small table is best read whole: that tells nothing about a large one
            session.execute(text("SET LOCAL enable_seqscan = off"))
        with explained(session) as plans:
            operation.act(session, given)
        session.rollback()
    assert plans
    return plans


def told(plans: list[Plan]) -> str:
    return "\n\n".join(f"{plan.statement}\n{plan}" for plan in plans)


def look_for_growth(databases: Databases, operation: Operation, large: str, *, without: str | None = None) -> None:
    few = plans_of(databases["small"], operation, small=True)
    many = plans_of(databases[large], operation, without=without)
    read = [table for plan in many for table in plan.scanned if table in TABLES]
    assert not read, f"reads {read} from end to end:\n{told(many)}"
    before, after = sum(plan.buffers for plan in few), sum(plan.buffers for plan in many)
    assert after <= before * TALLER + FEW, f"{before} pages with few rows, {after} with many:\n{told(many)}"


def named(operations: list[Operation]) -> Any:
    return pytest.mark.parametrize("operation", operations, ids=lambda operation: operation.name)


@named([*OPERATIONS, *LOOKS])
def test_it_costs_the_same_with_ten_times_the_history(databases: Databases, operation: Operation) -> None:
    look_for_growth(databases, operation, "long history")


@named(HOT)
def test_it_costs_the_same_with_ten_times_the_backlog(databases: Databases, operation: Operation) -> None:
    look_for_growth(databases, operation, "deep backlog")


@named(OPERATIONS)
def test_it_costs_the_same_when_a_backlog_has_come_of_which_postgres_does_not_know(
    databases: Databases, operation: Operation
) -> None:
    look_for_growth(databases, operation, "sudden backlog")


@named(COUNTS)
def test_what_is_counted_up_to_a_bound_reads_no_history(databases: Databases, operation: Operation) -> None:
    plans = plans_of(databases["long history"], operation)
    read = [table for plan in plans for table in plan.scanned if table in {"jobs", "attempts", "idempotency_keys"}]
    assert not read, f"reads {read} from end to end:\n{told(plans)}"


@pytest.mark.parametrize(
    ("index", "name", "large"),
    [
        ("ix_jobs_live", "reconcile: no hint, queue empty", "deep backlog"),
        ("ix_jobs_ended_task", "list jobs: rare task", "long history"),
        ("ix_jobs_producer_state", "list jobs: producer and state", "long history"),
        ("ix_outbox_due", "take hints (relay)", "deep backlog"),
        ("ix_idempotency_keys_expiry", "prune keys", "long history"),
        ("ix_jobs_lease", "reconcile: leases that are over", "deep backlog"),
    ],
)
def test_it_is_seen_to_grow_without_its_index(databases: Databases, index: str, name: str, large: str) -> None:
    operation = next(each for each in [*OPERATIONS, *LOOKS] if each.name == name)
    with pytest.raises(AssertionError, match=r"from end to end|pages with few rows"):
        look_for_growth(databases, operation, large, without=index)
