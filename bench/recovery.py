"""Measure the time that a job stands still when the process that had it is killed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psutil

from bench.client import percentile

if TYPE_CHECKING:
    from bench.run import Run
    from bench.stack import Stack

_ALL: Final = ("relay", "worker", "second worker", "maintenance")
_PATIENCE: Final = 60.0  # seconds until a job that does not run again is given up
_WORKS: Final = 1.0  # seconds that the job works: it is killed in their middle


def measure(run: Run) -> None:
    """Kill workers and relays as often as the sizes say, and add the figures to the report."""
    workers = [_worker(run.stack) for _ in range(run.sizes.kills)]
    relays = [_relay(run.stack) for _ in range(run.sizes.kills)]
    for what, seconds, aim in (
        ("worker killed, its job runs again on the other", workers, 15.0),
        ("relay killed and started, the next job runs", relays, 5.0),
    ):
        note = f"{len(seconds)} kills, p50 {percentile(seconds, 50):.1f} s; database's clock"
        run.report.add("recover", f"{what} after, at most", max(seconds), "s", note, at_most=aim)
    run.stack.forget_jobs()


def _worker(stack: Stack) -> float:
    """Return the seconds from the kill of the worker that has a job to the job's next attempt."""
    stack.run_only(*_ALL)
    tag = f"recover {time.monotonic_ns()}"
    stack.fill("demo.sleep", {"seconds": _WORKS}, 1, tag)
    _wait(stack, tag, "attempt = 1 AND state = 'running'")
    (name,) = stack.query("SELECT worker FROM gristmill.jobs WHERE tags @> ARRAY[%s]", tag)[0]
    child = int(str(name).rpartition(":")[2])
    return _after_kill(stack, psutil.Process(child).ppid(), tag, "attempt = 2")


def _relay(stack: Stack) -> float:
    """Return the seconds from the kill of the relay to the start of a job that came while it was dead."""
    stack.run_only(*_ALL)
    tag = f"recover {time.monotonic_ns()}"
    stack.fill("demo.sleep", {"seconds": 0}, 1, f"{tag} warm")
    _wait(stack, f"{tag} warm", "state = 'succeeded'")
    return _after_kill(stack, stack.pids()["relay"], tag, "attempt = 1", posts=True)


def _after_kill(stack: Stack, pid: int, tag: str, again: str, *, posts: bool = False) -> float:
    (killed_at,) = stack.query("SELECT clock_timestamp()")[0]
    stack.kill(pid)
    if posts:
        stack.fill("demo.sleep", {"seconds": 0}, 1, tag)
        stack.run_only(*_ALL)
    _wait(stack, tag, f"{again} AND started_at IS NOT NULL")
    (seconds,) = stack.query(
        "SELECT extract(epoch FROM started_at - %s)::float FROM gristmill.jobs WHERE tags @> ARRAY[%s]", killed_at, tag
    )[0]
    stack.wait_until(stack.all_ended, seconds=_PATIENCE, what="the job of a killed process")
    return float(seconds)


def _wait(stack: Stack, tag: str, condition: str) -> None:
    question = f"SELECT EXISTS (SELECT FROM gristmill.jobs WHERE tags @> ARRAY[%s] AND {condition})"  # noqa: S608  constants
    stack.wait_until(lambda: stack.query(question, tag)[0][0] is True, seconds=_PATIENCE, what=condition, every=0.02)
