"""The comparisons: always in rounds, one after the other, so that both sides see the same machine."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.clients import drive
from bench.ingress import validating
from bench.ingress.history import write_history
from bench.ingress.sign_ins import SignIns, make_people
from bench.ingress.slow_clients import SlowClients
from bench.stack import say
from gristmill import migrations, ports
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key

if TYPE_CHECKING:
    from bench.ingress.servers import Servers
    from bench.report import Report
    from bench.stack import Stack

ECHO: Final[dict[str, Any]] = {"task": "demo.echo", "args": {"message": "measured"}}
BATCH: Final = 1_000
FEW: Final = 10_000  # rows of the small table
PEOPLE: Final = 200  # who sign in at the same time
SLOW: Final = 16  # clients that hang: half of the server's threads
POSTS: Final = "/api/v1/jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The size of a measurement."""

    rounds: int
    seconds: float
    connections: int
    rows: int
    baseline_processes: int
    baseline_threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The servers, the report and the sizes that every part works with."""

    stack: Stack
    servers: Servers
    report: Report
    options: Options


@dataclass(slots=True)
class Series:
    """The same load in each round: rates a second, and the 50th and 99th percentile in milliseconds."""

    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median rate."""
        return statistics.median(self.rates)

    @property
    def p99(self) -> float:
        """The median of the 99th percentiles."""
        return statistics.median(self.p99s)

    @property
    def note(self) -> str:
        """The spread of the rounds, and the latencies."""
        p50 = statistics.median(self.p50s)
        return f"{min(self.rates):,.0f} to {max(self.rates):,.0f}; p50 {p50:.1f} ms, p99 {self.p99:.1f} ms"

    def over(self, other: Series) -> float:
        """Return the median, over the rounds, of how many times the other's rate this one's is."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True))


def compare(bench: Bench) -> None:
    """Durable POSTs, the baseline, a route that only validates, and batches of a thousand."""
    options, servers = bench.options, bench.servers
    servers.start_ingress("ingress")
    servers.start_ingress("validating", "bench.ingress.validating:load")
    servers.start_baseline("baseline", processes=options.baseline_processes, threads=options.baseline_threads)
    batch = {"jobs": [ECHO] * BATCH}
    series = {name: Series() for name in ("ours", "baseline", "validating", "batches")}
    for number in range(options.rounds):
        say(f"  round {number + 1} of {options.rounds}")
        _load(bench, series["ours"], "ingress")
        _load(bench, series["baseline"], "baseline", path="/jobs")
        _load(bench, series["validating"], "validating", path=validating.PATH)
        _load(bench, series["batches"], "ingress", path=f"{POSTS}/batch", body=batch, connections=2, jobs=BATCH)
        bench.stack.forget_jobs()
    ours, report = series["ours"], bench.report
    threads = f"{options.baseline_processes} × {options.baseline_threads} threads"
    report.add("compare", "durable POSTs a second", ours.rate, "/s", ours.note)
    report.add(
        "compare", f"baseline, gunicorn gthread, {threads}", series["baseline"].rate, "/s", series["baseline"].note
    )
    report.add("compare", "the same, only validated", series["validating"].rate, "/s", series["validating"].note)
    report.add("compare", "durable to baseline", ours.over(series["baseline"]), "", at_least=4.0)
    report.add("compare", "durable to only validated", ours.over(series["validating"]), "", at_least=0.7)
    report.add("compare", f"p99 at {options.connections} connections", ours.p99, "ms", at_most=100.0)
    report.add(
        "compare",
        f"jobs a second in batches of {BATCH:,}",
        series["batches"].rate,
        "/s",
        series["batches"].note,
        at_least=15_000.0,
    )


def history(bench: Bench) -> None:
    """A POST with many jobs in the table against one with few, each in a database of its own."""
    options, servers = bench.options, bench.servers
    keys = {}
    for name, rows in (("few", FEW), ("many", options.rows)):
        say(f"  writing {rows:,} jobs that have ended")
        url, keys[name] = bench.stack.make_database(name, migrations.upgrade)
        with bench.stack.connected(url) as connection:
            write_history(connection, rows)
        servers.start_ingress(name, database_url=url)
    series = {name: Series() for name in keys}
    for number in range(options.rounds):
        say(f"  round {number + 1} of {options.rounds}")
        for name, each in series.items():
            _load(bench, each, name, key=keys[name])
    for name, rows in (("few", FEW), ("many", options.rows)):
        bench.report.add(
            "history", f"POSTs a second with {rows:,} jobs in the table", series[name].rate, "/s", series[name].note
        )
    cost = 1 / series["many"].over(series["few"])
    bench.report.add("history", "cost of a POST, many to few", cost, "", at_most=1.2)


def disturbed(bench: Bench) -> None:
    """POSTs while slow clients hang, against POSTs without them."""
    servers = bench.servers
    if "ingress" not in servers.running:
        servers.start_ingress("ingress")
    with bench.stack.database.transaction() as session:  # another producer's: theirs hold half of the threads at most
        slow_key = create_key(session, create_producer(session, "slow", ["jobs:write"]))
    calm, hanging = Series(), Series()
    for number in range(bench.options.rounds):
        say(f"  round {number + 1} of {bench.options.rounds}")
        _load(bench, calm, "ingress")
        with SlowClients(ports.LOOPBACK, servers.port_of("ingress"), slow_key, SLOW):
            _load(bench, hanging, "ingress")
        bench.stack.forget_jobs()
    ratio = statistics.median(slow / fast for slow, fast in zip(hanging.p99s, calm.p99s, strict=True))
    bench.report.add("disturbed", "POSTs a second, calm", calm.rate, "/s", calm.note)
    bench.report.add("disturbed", f"the same while {SLOW} slow clients hang", hanging.rate, "/s", hanging.note)
    bench.report.add("disturbed", "p99, disturbed to calm", ratio, "", at_most=1.5)


def sign_ins(bench: Bench) -> None:
    """POSTs while two hundred people sign in, from one address and from everywhere, against POSTs without them."""
    servers = bench.servers
    servers.start_ingress("people", trusted_proxies=1)  # one server for all: calm is the same process
    emails = make_people(bench.stack.database, PEOPLE)
    series = {where: Series() for where in ("nowhere", "one address", "everywhere")}
    answers: dict[str, Counter[int]] = {where: Counter() for where in series}
    for number in range(bench.options.rounds):
        say(f"  round {number + 1} of {bench.options.rounds}")
        turn = number % len(series)
        for where in [*series, *series][turn : turn + len(series)]:  # none is always the first, nor after the same
            crowd = emails if where != "nowhere" else []
            everywhere = where == "everywhere"
            with SignIns(ports.LOOPBACK, servers.port_of("people"), crowd, from_everywhere=everywhere) as there:
                _load(bench, series[where], "people")
            answers[where] += there.statuses
            bench.stack.forget_jobs()
    calm = series.pop("nowhere")
    bench.report.add("sign_ins", "POSTs a second, calm", calm.rate, "/s", calm.note)
    for where, busy in series.items():
        ratio = statistics.median(slow / fast for slow, fast in zip(busy.p99s, calm.p99s, strict=True))
        told = ", ".join(f"{count:,} answers {status}" for status, count in sorted(answers[where].items()))
        bench.report.add("sign_ins", f"the same while {PEOPLE} sign in from {where}", busy.rate, "/s", busy.note)
        bench.report.add("sign_ins", f"p99, signing in from {where} to calm", ratio, "", told, at_most=1.5)


PARTS: Final[dict[str, Callable[[Bench], None]]] = {
    part.__name__: part for part in (compare, disturbed, sign_ins, history)
}


def _load(
    bench: Bench,
    series: Series,
    server: str,
    *,
    path: str = POSTS,
    body: dict[str, Any] = ECHO,
    key: str | None = None,
    connections: int | None = None,
    jobs: int = 1,
) -> None:
    """Keep some connections busy for a while, and add what was measured to `series`."""
    plan = {
        "host": ports.LOOPBACK,
        "port": bench.servers.port_of(server),
        "path": path,
        "status": 202,
        "headers": {"Authorization": f"Bearer {key or bench.stack.key}"},
        "body": body,
        "connections": connections or bench.options.connections,
        "seconds": bench.options.seconds,
    }
    done = drive(plan, bench.stack.environment)
    series.rates.append(jobs * done["count"] / done["seconds"])
    series.p50s.append(done["p50"])
    series.p99s.append(done["p99"])
