"""Each operation in tables of different size: its time, and the pages that it looks at."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from bench.growth.explaining import explained
from bench.growth.history import write_history
from bench.growth.lists import COUNTS, LOOKS
from bench.growth.operations import FEW, OPERATIONS, Operation
from bench.stack import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.growth.database import BenchDatabases
    from bench.report import Report
    from gristmill.shared.database.connect import Database

LIVE: Final = 1_000  # jobs that have not ended, in each table: a backlog does not come from history
CALLS: Final = 5  # of an operation in a round, at each table; the fastest counts: others use this machine, too
AIM: Final = 1.2
_AIMED: Final = (f"claim {FEW}", f"succeed {FEW}", "claim one", "succeed one")


def measure_tables(server: BenchDatabases, report: Report, *, sizes: Sequence[int], rounds: int) -> None:
    """Measure every operation at each size in turn, so that all see the same machine, and compare with the smallest."""
    databases = {}
    for rows in sizes:
        began = time.perf_counter()
        name = f"rows_{rows}"
        databases[rows] = server.make_database(name)
        with server.connected(name) as connection:
            write_history(connection, rows, live=min(LIVE, rows // 10))
        say(f"  {rows:,} jobs written in {time.perf_counter() - began:.0f} s, {_size(server, name)}")
    _share_a_processor(databases.values())
    operations = [*OPERATIONS, *LOOKS, *COUNTS]
    taken: dict[str, dict[int, list[float]]] = {each.name: {rows: [] for rows in sizes} for each in operations}
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for operation in operations:
            for rows, database in databases.items():
                taken[operation.name][rows].append(min(_time(database, operation) for _ in range(CALLS)))
    for operation in operations:
        pages = {rows: _pages(database, operation) for rows, database in databases.items()}
        _tell(report, operation.name, taken[operation.name], pages)


def _share_a_processor(databases: Iterable[Database]) -> None:
    """Keep this process and its servers on one processor, where the system lets us.

    To wake an idle processor takes 0.2 ms on a virtual machine, a third of a short call. The system leaves a server for
    minutes where it first put it, so the table of one size would pay for each call and that of another for none.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    one = {min(os.sched_getaffinity(0))}
    for database in databases:
        with database.transaction() as session:
            os.sched_setaffinity(session.execute(text("SELECT pg_backend_pid()")).scalar_one(), one)
    os.sched_setaffinity(0, one)


def _time(database: Database, operation: Operation) -> float:
    given = operation.ready(database)
    began = time.perf_counter()
    with database.transaction() as session:
        operation.act(session, given)
    return time.perf_counter() - began


def _pages(database: Database, operation: Operation) -> int:
    given = operation.ready(database)
    with database.session() as session:
        with explained(session) as plans:
            operation.act(session, given)
        session.rollback()
    return sum(plan.buffers for plan in plans)


def _tell(report: Report, name: str, taken: dict[int, list[float]], pages: dict[int, int]) -> None:
    sizes = list(taken)
    ratios = [many / few for few, many in zip(taken[sizes[0]], taken[sizes[-1]], strict=True)]
    times = ", ".join(f"{statistics.median(taken[rows]) * 1000:.2f}" for rows in sizes)
    note = f"{times} ms; pages {', '.join(f'{pages[rows]:,}' for rows in sizes)}"
    report.add("tables", name, statistics.median(ratios), "x", note, at_most=AIM if name in _AIMED else None)


def _size(server: BenchDatabases, name: str) -> str:
    return str(server.query(name, "SELECT pg_size_pretty(pg_database_size(current_database()))")[0][0])
