"""The table of jobs cut into pieces by time, as its keys are ordered: what planning and running cost then."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from bench.growth.history import write_history
from bench.growth.operations import FEW, LEASE, WORKER
from bench.stack import say
from gristmill.shared.jobs import leases, moves
from gristmill.shared.jobs.find import get_job
from gristmill.shared.operating.job_filter import choose_jobs
from gristmill.shared.operating.queries_job_lists import list_jobs

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bench.growth.database import BenchDatabases
    from bench.report import Report
    from gristmill.shared.database.connect import Database

COUNTS: Final = (1, 13, 90)  # a table that is one piece; a piece a week, or a day, of the 90 days
MOST: Final = 100_000  # jobs: more make no plan slower
_CALLS: Final = 20
# A unique index of a partitioned table must hold what it is cut by: that of unique keys cannot be.
_CUT: Final = """
    ALTER TABLE gristmill.attempts DROP CONSTRAINT fk_attempts_job_id;
    ALTER TABLE gristmill.dead_letters DROP CONSTRAINT fk_dead_letters_job_id;
    CREATE TEMP TABLE kept AS
        SELECT indexdef FROM pg_indexes WHERE tablename = 'jobs' AND indexdef NOT LIKE '%% UNIQUE %%';
    ALTER TABLE gristmill.jobs RENAME TO whole;
    CREATE TABLE gristmill.jobs (LIKE gristmill.whole INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    DROP TABLE gristmill.whole;
    DO $$
    DECLARE each record;
            former uuid;
            bound uuid;
    BEGIN
        FOR number IN 1..%(pieces)s LOOP
            bound := uuidv7(-interval '90 days' * (1 - number / %(pieces)s.0) + interval '1 day');
            IF number = 1 THEN
                EXECUTE format('CREATE TABLE gristmill.jobs_1 PARTITION OF gristmill.jobs '
                               'FOR VALUES FROM (MINVALUE) TO (%%L)', bound);
            ELSE
                EXECUTE format('CREATE TABLE gristmill.jobs_%%s PARTITION OF gristmill.jobs '
                               'FOR VALUES FROM (%%L) TO (%%L)',
                               number, former, bound);
            END IF;
            former := bound;
        END LOOP;
        FOR each IN SELECT indexdef FROM kept LOOP
            EXECUTE each.indexdef;
        END LOOP;
    END $$
"""


def measure_partitions(server: BenchDatabases, report: Report, *, rows: int, rounds: int) -> None:
    """Claim, settle, show and list with the jobs in one table and in pieces, in turn; nothing is committed."""
    databases: dict[int, Database] = {}
    for pieces in COUNTS:
        name = f"pieces_{pieces}"
        databases[pieces] = server.make_database(name)
        if pieces > 1:
            server.query(name, _CUT, {"pieces": pieces})
        with server.connected(name) as connection:
            write_history(connection, rows, live=rows // 10)
        say(f"  {rows:,} jobs in {pieces} pieces")
    taken: dict[str, dict[int, list[float]]] = {}
    for _ in range(rounds):
        for pieces, database in databases.items():
            ids = [UUID(row[0]) for row in server.query(f"pieces_{pieces}", _QUEUED, [FEW])]
            for name, act in _acts(ids).items():
                taken.setdefault(name, {each: [] for each in COUNTS})[pieces].append(_time(database, act))
    for name, times in taken.items():
        medians = [statistics.median(times[pieces]) for pieces in COUNTS]
        note = f"{', '.join(f'{median * 1000:.2f}' for median in medians)} ms in {', '.join(map(str, COUNTS))} pieces"
        report.add("partitions", f"{name}, {COUNTS[-1]} pieces to one", medians[-1] / medians[0], "x", note)


_QUEUED: Final = "SELECT id FROM gristmill.jobs WHERE state = 'queued' ORDER BY id LIMIT %s"


def _acts(ids: list[UUID]) -> dict[str, Callable[[Session], Any]]:
    def claim(session: Session) -> Any:
        return moves.claim(session, ids, worker=WORKER, lease=LEASE)

    return {
        f"claim {FEW}": claim,
        f"claim and settle {FEW}": lambda s: moves.succeed(s, [(job.id, job.attempt, None) for job in claim(s)]),
        "leases that are over": lambda session: leases.lock_overdue(session, limit=FEW),
        "show a job": lambda session: get_job(session, ids[0]),
        "list all jobs": lambda session: list_jobs(session, choose_jobs(), limit=50),
        "list jobs of a task": lambda session: list_jobs(session, choose_jobs(task="email.send"), limit=50),
        "list dead jobs": lambda session: list_jobs(session, choose_jobs(state="dead"), limit=50),
    }


def _time(database: Database, act: Callable[[Session], Any]) -> float:
    taken = []
    for _ in range(_CALLS):
        with database.session() as session:
            began = time.perf_counter()
            act(session)
            taken.append(time.perf_counter() - began)
            session.rollback()
    return statistics.median(taken)
