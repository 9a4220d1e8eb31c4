"""The parts of a run: each brings the processes it needs up, measures one thing, and adds its figures to the report."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bench import cost, recovery
from bench import memory as weighing
from bench.client import percentile
from bench.clients import drive
from bench.stack import QUEUE, say
from gristmill import ports
from gristmill.process import ServiceFailedError

if TYPE_CHECKING:
    from bench.run import Run

ALL: Final = ("web", "relay", "worker", "maintenance")
# Tasks without bundles that do nothing: of one that may run long each job is a hint of its own, else eight share one.
ALONE: Final = ("demo.sleep", {"seconds": 0})
SHARING: Final = ("demo.fail", {"times": 0})
ECHO: Final = ("demo.echo", {"message": "measured"})
EFFECT: Final = ("demo.effect", {"key": "measured"})
_PATIENCE: Final = 90.0  # seconds until a backlog that does not end is given up
_CALM: Final = 1.0  # seconds of rest before something is measured on an idle platform


def post(run: Run) -> None:
    """Accepted POSTs a second, with the ingress alone, against a route that only answers."""
    run.stack.run_only("web")
    rate = {}
    seconds = {"answers": run.sizes.seconds / 2, "POSTs": run.sizes.seconds}
    for what, body in (("answers", None), ("POSTs", ECHO)):
        rate[what] = _load(run, "post", what, body, seconds[what])
    part, answers, posts = "post", rate["answers"], rate["POSTs"]
    run.report.add(part, "POSTs to answers of /healthz", posts / answers, "", "the ratio to compare on other machines")
    run.stack.forget_jobs()


def relay(run: Run) -> None:
    """Hints published a second by one relay, from an outbox that was filled beforehand; nobody consumes."""
    for name, (task, args), count in _backlogs(run):
        run.stack.run_only("relay")
        run.stack.signal("relay", signal.SIGSTOP)
        say(f"  filling the outbox with {count:,} jobs of {task}")
        run.stack.fill(task, args, count, f"bench {name}")
        before = cost.cpu_seconds(run.stack)
        run.stack.signal("relay", signal.SIGCONT)
        with run.profiler.record("relay", name):
            taken = run.stack.wait_until(
                lambda: run.stack.query("SELECT NOT EXISTS (SELECT FROM gristmill.outbox)")[0][0] is True,
                seconds=_PATIENCE,
                what=f"publishing {count} hints",
                every=0.01,
            )
        used = cost.microseconds_each(before, cost.cpu_seconds(run.stack), count)
        what = "hints a second, one id each" if name == "alone" else f"ids a second, {name}, of {task}"
        run.report.add("relay", what, count / taken, "/s", f"µs of processor an id: {used}")


def execute(run: Run) -> None:
    """Jobs executed a second by one worker, from the backlog that the relay has published."""
    if not run.stack.query("SELECT 1 FROM gristmill.jobs LIMIT 1"):
        say("  (the backlog of the part relay is needed)")
        relay(run)
    run.stack.run_only("relay", "worker")
    say(f"  {QUEUE.concurrency} worker processes at work")
    before = cost.cpu_seconds(run.stack)
    for name, (task, _), count in _backlogs(run):  # the queue hands them out in the order in which they were published
        with run.profiler.record("worker", name):
            taken = _executed(run, f"bench {name}", count)
        after = cost.cpu_seconds(run.stack)
        what = f"{task}, one id a hint" if name == "alone" else f"{task}, hints of several ids"
        used = cost.microseconds_each(before, after, count)
        run.report.add(
            "execute", f"jobs a second, {name}", count / taken, "/s", f"{what}; µs of processor each: {used}"
        )
        before = after
    run.stack.forget_jobs()


def turning(run: Run) -> None:
    """Accepted POSTs a second while relay and worker run the same jobs, and until the last one has ended."""
    run.stack.run_only(*ALL)
    _load(run, "turning", "POSTs", ECHO, run.sizes.seconds)
    say("  waiting for the last job to end")
    taken = run.stack.wait_until(run.stack.all_ended, seconds=_PATIENCE, what="the jobs that were posted")
    states = run.stack.states()
    if set(states) != {"succeeded"}:
        raise ServiceFailedError(f"not every job that was accepted has succeeded: {states}")
    run.report.add("turning", "the last job ended after", taken, "s", f"{states['succeeded']:,} jobs, all succeeded")
    run.stack.forget_jobs()


def start(run: Run) -> None:
    """Time from a POST to the start of its handler, while nothing else goes on."""
    run.stack.run_only(*ALL)
    time.sleep(_CALM)
    with run.profiler.record("web", "single"):
        done = _client(run, _plan(run, EFFECT, count=run.sizes.singles, pause=run.sizes.pause))
    run.stack.wait_until(run.stack.all_ended, seconds=_PATIENCE, what="single jobs")
    sent = dict(done["sent"])
    rows = run.stack.query(
        "SELECT jobs.id::text, extract(epoch FROM created_at)::float, extract(epoch FROM started_at)::float, "
        "extract(epoch FROM demo_effects.at)::float FROM gristmill.jobs JOIN gristmill.demo_effects ON job_id = jobs.id"
    )
    if len(rows) != len(sent):
        raise ServiceFailedError(f"{len(rows)} of {len(sent)} single jobs had their effect")
    spans: dict[str, list[float]] = {
        "job stored to claim": [claimed - created for _, created, claimed, _ in rows],
        "job stored to handler": [effect - created for _, created, _, effect in rows],
        "POST sent to handler": [effect - sent[job] for job, _, _, effect in rows],
    }
    notes = ("started_at - created_at, database's clock", "a row the handler wrote, database's clock", "one machine")
    for (what, values), note in zip(spans.items(), notes, strict=True):
        for percent, aim in ((50, 20.0), (99, None)):
            value = percentile(values, percent) * 1000
            run.report.add("start", f"{what}, p{percent}", value, "ms", note, at_most=aim)
    run.report.add("start", "POST answered, p50", done["p50"], "ms", f"one by one, p99 {done['p99']:.1f} ms")
    run.stack.forget_jobs()


def memory(run: Run) -> None:
    """Memory of each process after all that, and of a worker over a long run."""
    run.stack.run_only(*ALL)
    for each in cost.memory(run.stack):
        shared = f"Pss {each.pss:.0f}" if each.pss is not None else ""
        aim = 120.0 if each.name.startswith("worker") else None
        run.report.add("memory", each.name, each.rss, "MiB", shared, at_most=aim)
    weighing.measure(run)


def outage(run: Run) -> None:
    """POSTs while the broker is stopped; then it comes back, and all of them end."""
    run.stack.run_only(*ALL)
    say(f"  stopping {run.stack.broker.name}")
    run.stack.broker.stop()
    done = _client(run, _plan(run, ECHO, count=run.sizes.outage, pause=0.01))
    note = f"{done['count']} one by one, p99 {done['p99']:.1f} ms"
    run.report.add("outage", "POST answered 202 without a broker, p50", done["p50"], "ms", note, at_most=50.0)
    if not run.sizes.comes_back:
        return
    say(f"  starting {run.stack.broker.name} again")
    run.stack.broker.start()
    taken = run.stack.wait_until(run.stack.all_ended, seconds=_PATIENCE, what="jobs posted without a broker")
    if run.stack.states() != {"succeeded": done["count"]}:
        raise ServiceFailedError(f"not every job posted without a broker has succeeded: {run.stack.states()}")
    run.report.add("outage", "after it was back, the last job ended in", taken, "s", "all succeeded")


def recover(run: Run) -> None:
    """Seconds until a job runs again whose worker was killed, and until a killed relay publishes again."""
    recovery.measure(run)


def _executed(run: Run, tag: str, count: int) -> float:
    """Wait until all jobs with a tag have succeeded, and return the seconds from the first claim to the last end."""
    state = (
        "SELECT NOT EXISTS (SELECT FROM gristmill.jobs WHERE tags @> ARRAY[%s] "
        "AND state IN ('queued', 'running', 'retrying'))"
    )
    run.stack.wait_until(
        lambda: run.stack.query(state, tag)[0][0] is True, seconds=_PATIENCE, what=f"jobs of {tag!r}", every=0.2
    )
    done, taken = run.stack.query(
        "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))::float FROM gristmill.jobs "
        "WHERE tags @> ARRAY[%s] AND state = 'succeeded'",
        tag,
    )[0]
    if done != count:
        raise ServiceFailedError(f"{done} of {count} jobs of {tag!r} succeeded: {run.stack.states()}")
    return float(taken)


PARTS: Final[dict[str, Callable[[Run], None]]] = {
    part.__name__: part for part in (post, relay, execute, turning, start, memory, outage, recover)
}


def _backlogs(run: Run) -> list[tuple[str, tuple[str, dict[str, Any]], int]]:
    return [
        ("alone", ALONE, run.sizes.alone),
        ("without bundles", SHARING, run.sizes.alone),
        ("bundled", ECHO, run.sizes.backlog),
        ("bundled, with an effect", EFFECT, run.sizes.backlog),
    ]


def _load(run: Run, part: str, what: str, body: tuple[str, dict[str, Any]] | None, seconds: float) -> float:
    """Measure a closed loop of requests, add its figures, and return the rate."""
    say(f"  {run.sizes.connections} connections for {seconds:g} s: {what}")
    before = cost.cpu_seconds(run.stack)
    with run.profiler.record("web", f"{part}-{what}"):
        done = _client(run, _plan(run, body, connections=run.sizes.connections, seconds=seconds))
    used = cost.microseconds_each(before, cost.cpu_seconds(run.stack), done["count"])
    rate = float(done["count"] / done["seconds"])
    note = f"the client uses {done['client_cpu']:.0%} of a core; µs of processor each: {used}"
    run.report.add(part, f"{what} a second", rate, "/s", note, at_least=1000.0 if body else None)
    run.report.add(part, f"{what}, p50", done["p50"], "ms")
    run.report.add(part, f"{what}, p95", done["p95"], "ms", at_most=100.0 if body else None)
    run.report.add(part, f"{what}, p99", done["p99"], "ms")
    return rate


def _plan(run: Run, body: tuple[str, dict[str, Any]] | None, **more: Any) -> dict[str, Any]:
    plan: dict[str, Any] = {"host": ports.LOOPBACK, "port": run.stack.port, "path": "/healthz", "status": 200, **more}
    if body is None:
        return plan
    task, args = body
    headers = {"Authorization": f"Bearer {run.stack.key}"}
    return plan | {"path": "/api/v1/jobs", "status": 202, "headers": headers, "body": {"task": task, "args": args}}


def _client(run: Run, plan: dict[str, Any]) -> dict[str, Any]:
    return drive(plan, run.stack.environment)
