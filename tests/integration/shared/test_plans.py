"""Filters are looked up by the indexes that the lists have: none of these reads the whole table."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Select, select, text

from gristmill.services.postgres import Postgres
from shared.db import Database
from shared.models import DeadLetter, Job
from shared.queries.job_lists import CANCELLABLE
from shared.specifications.catalogue import JOBS
from shared.specifications.choices import choose_jobs, choose_letters
from shared.specifications.parsing import read_filter
from shared.specifications.specification import EVERYTHING, Specification
from tests.factories import own_database, reached

ROWS = 20_000
PRODUCER, OTHER = UUID(int=1), UUID(int=2)
RARE = {"field": "tags", "contains": "rare"}
JOBS_MADE = """
    INSERT INTO jobs (id, task, queue, args, state, attempt, max_attempts, run_at, created_at, finished_at,
                      producer_id, tags)
    SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), 'demo.echo', 'data_processing_queue', '{}', state, 1, 3, at, at,
           CASE WHEN state <> 'queued' THEN at END,
           CASE WHEN n % 100 = 7 THEN CAST(:producer AS uuid) ELSE CAST(:other AS uuid) END,
           CAST(CASE WHEN n % 5000 = 1 THEN '{rare}' ELSE '{}' END AS text[])
    FROM (SELECT n, timestamptz '2030-01-01' + n * interval '1 second' AS at,
                 CASE WHEN n % 200 = 7 THEN 'queued' ELSE 'dead' END AS state
          FROM generate_series(1, :rows) AS n) AS made
"""
LETTERS_MADE = """
    INSERT INTO dead_letters (id, job_id, task, queue, reason, fingerprint, created_at, resolution, resolved_at)
    SELECT id, id, task, queue, 'exhausted', 'same', created_at, CASE WHEN NOT is_open THEN 'discarded' END,
           CASE WHEN NOT is_open THEN created_at END
    FROM (SELECT *, row_number() OVER () % 10 = 0 AS is_open FROM jobs WHERE state = 'dead') AS dead
"""


@pytest.fixture(scope="module")
def filled(postgres_server: Postgres, migrated_template: str) -> Iterator[Database]:
    with own_database(postgres_server, migrated_template) as url, reached(url) as database:
        with database.transaction() as session:
            session.execute(text(JOBS_MADE), {"rows": ROWS, "producer": PRODUCER, "other": OTHER})
            session.execute(text(LETTERS_MADE))
        with database.autocommit() as session:
            session.execute(text("VACUUM ANALYZE jobs, dead_letters"))
        yield database


def plan(database: Database, query: Select[UUID]) -> str:
    with database.transaction() as session:
        connection = session.connection()
        bound = query.compile(connection, compile_kwargs={"render_postcompile": True})
        rows = connection.exec_driver_sql(f"EXPLAIN {bound}", bound.construct_params())
        return "\n".join(row[0] for row in rows)


def indexes(told: str) -> set[str]:
    return set(re.findall(r"(?:using|Index Scan on) (\w+)", told))


def jobs(wanted: Specification) -> Select[UUID]:
    return select(Job.id).where(wanted.condition()).order_by(Job.id.desc()).limit(21)


def letters(wanted: Specification) -> Select[UUID]:
    order = (DeadLetter.created_at.desc(), DeadLetter.id.desc())
    return select(DeadLetter.id).where(wanted.condition()).order_by(*order).limit(21)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (jobs(EVERYTHING), {"pk_jobs"}),
        (jobs(choose_jobs(producer_id=PRODUCER)), {"ix_jobs_producer"}),
        (jobs(read_filter({"not": {"field": "state", "eq": "queued"}}, JOBS) & choose_jobs(producer_id=PRODUCER)),
         {"ix_jobs_producer"}),
        (jobs(choose_jobs(tag="rare")), {"ix_jobs_tags"}),
        (jobs(read_filter(RARE, JOBS)), {"ix_jobs_tags"}),
        (jobs(choose_jobs(tag="rare", producer_id=OTHER)), {"ix_jobs_tags"}),
        (jobs(read_filter({"field": "id", "in": [str(PRODUCER), str(OTHER)]}, JOBS)), {"pk_jobs"}),
        (select(Job.id).where((CANCELLABLE & choose_jobs(task="demo.echo")).condition()), {"ix_jobs_live"}),
        (select(Job.id).where((CANCELLABLE & choose_jobs(producer_id=PRODUCER)).condition()), {"ix_jobs_in_flight"}),
        (letters(choose_letters()), {"ix_dead_letters_open_age"}),
        (letters(choose_letters(producer_id=OTHER)), {"ix_dead_letters_open_age", "ix_jobs_producer"}),
    ],
)  # fmt: skip
def test_a_filter_finds_its_rows_by_an_index(filled: Database, query: Select[UUID], index: set[str]) -> None:
    told = plan(filled, query)
    assert "Seq Scan" not in told, told
    assert indexes(told) == index, told
