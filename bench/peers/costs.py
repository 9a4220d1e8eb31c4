"""Profile the processor time of a job while a backlog is worked off: by process, and by statement of Postgres."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.peers.marks import steady_rate
from bench.peers.peer import used
from bench.peers.slot import until, wait_for_workers
from gristmill.process import family

if TYPE_CHECKING:
    from bench.peers.peer import Peer

# What Postgres is started with, to tell of statements; it costs a little.
SETTINGS: Final = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
_REST: Final = 1.0  # seconds until the last ends are written
_LEAST: Final = 0.5  # µs a job of what is told
_STATEMENTS: Final = """
    SELECT left(regexp_replace(trim(query), '\\s+', ' ', 'g'), 60), calls::float, total_plan_time + total_exec_time,
           (shared_blks_hit + shared_blks_read)::float, wal_bytes::float
    FROM pg_stat_statements WHERE query !~ 'pg_stat_statements' ORDER BY 3 DESC LIMIT 12
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The share of one statement in the cost of a job."""

    text: str
    calls: float
    microseconds: float
    buffers: float
    wal_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of one job: microseconds of processor time by process, and its statements."""

    rate: float
    processes: dict[str, float]
    statements: tuple[Statement, ...]

    def table(self, title: str) -> str:
        """Return it in Markdown."""
        whole = sum(self.processes.values())
        told = ", ".join(
            f"{name} {cost:.1f}" for name, cost in sorted(self.processes.items(), key=lambda each: -each[1])
        )
        lines = [
            f"{title}: {self.rate:,.0f} jobs a second, {whole:.1f} µs of processor a job ({told})",
            "",
            "| statement | calls | µs | buffers | WAL bytes |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| `{one.text}` | {one.calls:.3f} | {one.microseconds:.1f} | {one.buffers:.1f} | {one.wal_bytes:.0f} |"
            for one in self.statements
        ]
        return "\n".join(lines)


def measure(peer: Peer, kind: str, count: int) -> Costs:
    """Have a peer work `count` jobs of a kind off, and return what each has cost. Its processes are started here."""
    query, marks = peer.home.stack.query, peer.home.marks
    query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    peer.start()
    peer.empty()
    peer.start_workers()
    wait_for_workers(peer)
    marks.forget()
    peer.freeze()
    try:
        peer.ask("fill", kind=kind, count=count)
        peer.vacuum()
        query("SELECT pg_stat_statements_reset()")
        before = _used(peer)
    finally:
        peer.thaw()
    until(peer, count)
    time.sleep(_REST)
    after = _used(peer)
    spent = {name: (after[name] - before.get(name, 0.0)) * 1e6 / count for name in after}
    found = [
        Statement(
            text=text.replace("|", "¦"),
            calls=calls / count,
            microseconds=spent_ms * 1e3 / count,
            buffers=buffers / count,
            wal_bytes=wal / count,
        )
        for text, calls, spent_ms, buffers, wal in query(_STATEMENTS)
    ]
    return Costs(
        rate=steady_rate([begun for begun, _ in marks.read()]),
        processes={name: cost for name, cost in spent.items() if cost >= _LEAST},
        statements=tuple(each for each in found if each.microseconds >= _LEAST),
    )


def _used(peer: Peer) -> dict[str, float]:
    """Return the processor seconds of everything so far, by name; of a worker the parent and its children apart."""
    found: dict[str, float] = {}
    for name, pid in peer.all_pids().items():
        for at, each in enumerate(family(pid)):
            label = f"{name}'s children" if at and name.startswith("worker") else name
            found[label] = found.get(label, 0.0) + used(each)
    return found
