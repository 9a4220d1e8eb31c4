"""Measure bloat: the dead rows that ended jobs leave behind, and the size of the table and its indexes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.growth.operations import LEASE, WORKER, new_job
from bench.stack import say
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.enqueue import accept
from gristmill.shared.jobs.outbox import take_due

if TYPE_CHECKING:
    from bench.growth.database import BenchDatabases
    from bench.report import Report
    from gristmill.shared.database.connect import Database

_BATCH: Final = 500  # jobs of one transaction
_NAME: Final = "bloat"
_SIZES: Final = """
    SELECT pg_table_size('gristmill.jobs'), pg_indexes_size('gristmill.jobs'),
           pg_total_relation_size('gristmill.outbox')
"""
_ROWS: Final = """
    SELECT pg_stat_get_tuples_updated(oid), pg_stat_get_tuples_hot_updated(oid), pg_stat_get_dead_tuples(oid),
           pg_stat_get_autovacuum_count(oid)
    FROM pg_class WHERE oid = CAST('gristmill.jobs' AS regclass)
"""


def measure_bloat(server: BenchDatabases, report: Report, *, jobs: int) -> None:
    """Run jobs through the product's own functions under autovacuum as Postgres has it, then write the table anew."""
    database = server.make_database(_NAME)
    began = time.perf_counter()
    for first in range(0, jobs, _BATCH):
        _run(database, min(_BATCH, jobs - first))
        if first % 100_000 == 0:
            say(f"  {first:,} of {jobs:,} jobs, {time.perf_counter() - began:.0f} s")
    seconds = time.perf_counter() - began
    database.dispose()  # at its end a connection tells Postgres what it has done
    updated, hot, dead, vacuums = server.query(_NAME, _ROWS)[0]
    used = [int(size) for size in server.query(_NAME, _SIZES)[0]]
    server.query(_NAME, "VACUUM (FULL, ANALYZE) gristmill.jobs")
    server.query(_NAME, "VACUUM (FULL, ANALYZE) gristmill.outbox")
    anew = [int(size) for size in server.query(_NAME, _SIZES)[0]]
    report.add(
        "bloat", "jobs accepted, claimed and ended a second", jobs / seconds, "/s", f"{jobs:,} in calls of {_BATCH}"
    )
    report.add("bloat", "updates of a row that left the indexes alone", hot / max(1, updated), "", f"of {updated:,}")
    report.add("bloat", "dead rows at the end, of all", dead / (dead + jobs), "", f"{vacuums} runs of autovacuum")
    for what, now, least in zip(("table", "indexes", "outbox"), used, anew, strict=True):
        note = f"{now / 1e6:,.0f} MB, written anew {least / 1e6:,.0f}"
        report.add("bloat", f"{what}: room to what is needed", now / max(1, least), "x", note)


def _run(database: Database, count: int) -> None:
    new = [new_job(database) for _ in range(count)]
    with database.transaction() as session:
        accept(session, new)
    with database.transaction(asynchronous_commit=True) as session:
        ids = [hint.job_id for hint in take_due(session, limit=count)]
    with database.transaction() as session:
        begun = moves.claim(session, ids, worker=WORKER, lease=LEASE)
    with database.transaction() as session:
        moves.succeed(session, [(job.id, job.attempt, None) for job in begun])
