"""Queries about queues and waiting jobs use the indexes of live rows: they never scan history."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import TextClause, text
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.operating import queries_pause
from gristmill.shared.operating import queries_queue_depths as depths
from gristmill.shared.operating import queries_why_waiting as why_waiting
from gristmill.shared.queues import QUEUES
from tests.factories import change

FILL = """
    INSERT INTO gristmill.jobs (id, task, queue, args, state, max_attempts, run_at, finished_at)
    SELECT gen_random_uuid(), 'demo.echo', (CAST(:queues AS text[]))[1 + i % 5], '{}', :state, 3,
           clock_timestamp() - i * interval '1 ms', CASE WHEN :state = 'succeeded' THEN clock_timestamp() END
    FROM generate_series(1, :number) AS i
"""
HOLD = """
    INSERT INTO gristmill.held_hints (job_id, task, queue, due_at, alone, revivals)
    SELECT gen_random_uuid(), 'demo.echo', 'email_queue', clock_timestamp(), false, 0 FROM generate_series(1, 5000)
"""
ONE: dict[str, Any] = {"queue": "email_queue", "run_at": datetime.now(UTC), "id": uuid7(), "most": 101}
STATEMENTS: dict[str, tuple[TextClause, dict[str, Any]]] = {
    "depths": (depths._DEPTHS, {"names": list(QUEUES), "most": 101}),
    "inflow": (depths._INFLOW, {"sample": 50}),
    "position": (why_waiting._POSITION, ONE),
    "unpublished": (why_waiting._UNPUBLISHED, ONE),
    "releasable": (queries_pause._RELEASABLE, {}),
    "release": (queries_pause._RELEASE, {"queue": "user_queue", "limit": 500}),
    "expired": (queries_pause._DROP_EXPIRED, {"limit": 100}),
}


@pytest.fixture(scope="module")
def full_database(table_database: Database) -> Database:
    """History, and a backlog so long that the planner would prefer the table to its index."""
    for state, number in (("succeeded", 5_000), ("queued", 20_000)):
        change(table_database, FILL, queues=list(QUEUES), state=state, number=number)
    change(
        table_database,
        "INSERT INTO gristmill.outbox (job_id, task, queue, due_at) SELECT id, task, queue, run_at FROM gristmill.jobs",
    )
    change(table_database, HOLD)
    change(
        table_database, "INSERT INTO gristmill.queue_controls (queue) VALUES ('user_queue'), ('data_processing_queue')"
    )
    change(table_database, "ANALYZE gristmill.jobs, gristmill.outbox, gristmill.held_hints, gristmill.queue_controls")
    return table_database


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_scans_a_whole_table(full_database: Database, name: str) -> None:
    statement, values = STATEMENTS[name]
    with full_database.transaction() as session:
        plan = "\n".join(session.execute(text(f"EXPLAIN {statement.text}"), values).scalars())
    read = [f"Seq Scan on {table}" for table in ("jobs", "outbox", "held_hints") if f"Seq Scan on {table} " in plan]
    assert not read, plan
