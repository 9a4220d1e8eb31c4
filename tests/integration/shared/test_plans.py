"""Filters use the indexes of the lists: none reads a whole table."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.growth.explaining import explained
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.filter import choose_letters
from gristmill.shared.dead_letters.queries import list_letters
from gristmill.shared.filters.parse import read_filter
from gristmill.shared.filters.specification import EVERYTHING, Specification
from gristmill.shared.operating.job_filter import JOBS, choose_jobs
from gristmill.shared.operating.queries_job_lists import find_cancellable, list_jobs
from tests.factories import own_database, reached

Send = Callable[[Session], object]
ROWS = 20_000
PRODUCER, OTHER = UUID(int=1), UUID(int=2)
RARE = {"field": "tags", "contains": "rare"}
JOBS_MADE = """
    INSERT INTO gristmill.jobs (id, task, queue, args, state, attempt, max_attempts, run_at, created_at, finished_at,
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
    INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, fingerprint, created_at, resolution,
                                        resolved_at)
    SELECT id, id, task, queue, 'exhausted', 'same', created_at, CASE WHEN NOT is_open THEN 'discarded' END,
           CASE WHEN NOT is_open THEN created_at END
    FROM (SELECT *, row_number() OVER () % 10 = 0 AS is_open FROM gristmill.jobs WHERE state = 'dead') AS dead
"""


@pytest.fixture(scope="module")
def filled(postgres_server: Postgres, migrated_template: str) -> Iterator[Database]:
    with own_database(postgres_server, migrated_template) as url, reached(url) as database:
        with database.transaction() as session:
            session.execute(text(JOBS_MADE), {"rows": ROWS, "producer": PRODUCER, "other": OTHER})
            session.execute(text(LETTERS_MADE))
        with database.autocommit() as session:
            session.execute(text("VACUUM ANALYZE gristmill.jobs, gristmill.dead_letters"))
        yield database


def jobs(wanted: Specification) -> Send:
    return lambda session: list_jobs(session, wanted, limit=21)


def letters(wanted: Specification) -> Send:
    return lambda session: list_letters(session, wanted, limit=21)


def cancellable(wanted: Specification) -> Send:
    return lambda session: find_cancellable(session, wanted, limit=21)


NOT_QUEUED = read_filter({"not": {"field": "state", "eq": "queued"}}, JOBS)
IN_FLIGHT, ENDED = "ix_jobs_producer_state", "ix_jobs_ended_producer"


@pytest.mark.parametrize(
    ("send", "index"),
    [
        (jobs(EVERYTHING), {"pk_jobs"}),
        (jobs(choose_jobs(producer_id=PRODUCER)), {IN_FLIGHT, ENDED}),
        (jobs(NOT_QUEUED & choose_jobs(producer_id=PRODUCER)), {IN_FLIGHT, ENDED}),
        (jobs(choose_jobs(tag="rare")), {"ix_jobs_live", "ix_jobs_ended_tags"}),
        (jobs(read_filter(RARE, JOBS)), {"ix_jobs_live", "ix_jobs_ended_tags"}),
        (jobs(choose_jobs(tag="rare", producer_id=OTHER)), {"ix_jobs_live", "ix_jobs_ended_tags"}),
        (jobs(read_filter({"field": "id", "in": [str(PRODUCER), str(OTHER)]}, JOBS)), {"pk_jobs"}),
        (cancellable(choose_jobs(task="demo.echo")), {"ix_jobs_live"}),
        (cancellable(choose_jobs(producer_id=PRODUCER)), {IN_FLIGHT}),
        (letters(choose_letters()), {"ix_dead_letters_open_age"}),
        (letters(choose_letters(producer_id=OTHER)), {"ix_dead_letters_open_age", IN_FLIGHT}),
    ],
)
def test_a_filter_finds_its_rows_by_an_index(filled: Database, send: Send, index: set[str]) -> None:
    with filled.transaction() as session, explained(session) as plans:
        send(session)
    assert plans[-1].scanned == [], plans[-1]
    assert plans[-1].indexes == index, plans[-1]
