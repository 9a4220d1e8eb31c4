"""Measure the memory of a worker's processes over a long run, and their growth with the jobs they have done."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from bench.stack import say

if TYPE_CHECKING:
    from bench.run import Run
    from bench.stack import Stack

JOBS: Final = ("demo.echo", {"message": "measured"})
AHEAD: Final = 20_000  # jobs that wait at most: the worker always has bundles to take, and Postgres stays small
BATCH: Final = 1_000  # accepted at once
SAMPLES: Final = 40
LARGEST: Final = 120.0  # MiB of a process
STEEPEST: Final = 0.3  # MiB in 100,000 jobs: 3 in a million, which is what one run differs from another
LONG: Final = 500_000  # jobs; a shorter run is still settling, and its slope says little
_PATIENCE: Final = 300.0
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of one process after so many jobs of the whole worker, in MiB."""

    jobs: int
    rss: float
    uss: float


def measure(run: Run) -> None:
    """Have one worker run a long backlog in bundles, and add what its processes weigh meanwhile to the report."""
    total, stack = run.sizes.marathon, run.stack
    stack.run_only("relay", "worker")
    say(f"  {total:,} jobs through one worker, at most {AHEAD:,} of them waiting")
    leader = psutil.Process(stack.pids()["worker"])
    family = {"parent": leader, **{f"child {at}": each for at, each in enumerate(leader.children(), 1)}}
    samples: dict[str, list[Sample]] = {name: [] for name in family}
    every = max(BATCH, total // SAMPLES)
    for posted in range(BATCH, total + 1, BATCH):
        stack.fill(*JOBS, BATCH, "marathon")
        _wait_until_live_jobs(stack, 0 if posted == total else AHEAD)
        if posted % every == 0 or posted == total:
            done = posted - _live_jobs(stack)
            for name, each in family.items():
                looked = each.memory_full_info()
                samples[name].append(Sample(done, looked.rss / _MIB, looked.uss / _MIB))
    for name, seen in samples.items():
        _add(run, name, seen)
    stack.forget_jobs()


def _live_jobs(stack: Stack) -> int:
    query = "SELECT count(*) FROM gristmill.jobs WHERE state IN ('scheduled', 'queued', 'running', 'retrying')"
    return int(stack.query(query)[0][0])


def _wait_until_live_jobs(stack: Stack, most: int) -> None:
    stack.wait_until(lambda: _live_jobs(stack) <= most, seconds=_PATIENCE, what="the worker to keep up", every=0.05)


def _add(run: Run, name: str, seen: list[Sample]) -> None:
    last = seen[-1]
    at = [min(seen, key=lambda each: abs(each.jobs - last.jobs * share)) for share in (0.1, 0.5)]
    note = f"at 10 % and 50 %: {at[0].rss:.1f}, {at[1].rss:.1f}; of its own (USS): {at[0].uss:.1f}, {last.uss:.1f}"
    what = f"worker, {name}, after {last.jobs:,} jobs"
    run.report.add("memory", what, last.rss, "MiB", note, at_most=LARGEST)
    steady = [each for each in seen if each.jobs >= at[0].jobs]  # before that, it is still loading
    if len(steady) > 1:
        slope = statistics.linear_regression(
            [each.jobs / 100_000 for each in steady], [each.rss for each in steady]
        ).slope
        aim = STEEPEST if last.jobs >= LONG else None
        run.report.add("memory", f"worker, {name}, growth", slope, "MiB/100,000", "least squares", at_most=aim)
