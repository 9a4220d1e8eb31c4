"""One round of one peer: the same measurements in the same order for all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.client import percentile
from bench.cost import share_of
from bench.peers.marks import latencies, steady_rate
from bench.peers.peer import ACCEPT, EXECUTE
from gristmill.process import ServiceFailedError, family

if TYPE_CHECKING:
    from bench.peers.peer import Peer

AT_ONCE: Final = 32  # jobs that are being accepted at the same time
BATCH: Final = 1_000
FIRST_JOBS: Final = 20  # before anything is counted: connections, imports, prepared statements
_EVERY: Final = 0.02
_PATIENCE: Final = 120.0  # seconds until a backlog that does not end is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The size of a round: seconds of load, the share of each backlog, jobs a second on an idle machine."""

    seconds: float
    backlog: float
    singles: int
    singles_rate: float


WHOLE: Final = Sizes(seconds=1.2, backlog=1.0, singles=60, singles_rate=30)
QUICK: Final = Sizes(seconds=0.3, backlog=0.1, singles=20, singles_rate=40)

Figures = dict[str, float]


def measure(peer: Peer, sizes: Sizes) -> Figures:
    """Return the figures of one peer, by line; what it does not have is missing."""
    figures: Figures = {}
    works = peer.spec.works
    peer.start()
    if set(works) & set(ACCEPT):
        figures |= _accepting(peer, sizes)
    if set(works) <= set(ACCEPT):
        return figures
    peer.empty()
    peer.start_workers()
    wait_for_workers(peer)
    for kind in EXECUTE:
        if kind in works:
            figures |= _executing(peer, kind, sizes)
    if "idle" in works:
        figures |= _latencies(peer, "idle", "noop", sizes.singles_rate, sizes.singles)
    if "half" in works:
        rate = figures["wait"] / 2
        figures |= _latencies(peer, "half", "wait", rate, max(10, int(rate * sizes.seconds * 2)))
    if "memory" in works:
        figures["memory"] = sum(share_of(each.pid) for pid in peer.worker_pids() for each in family(pid))
    return figures


def _accepting(peer: Peer, sizes: Sizes) -> Figures:
    figures = {
        "one": peer.ask("closed", seconds=sizes.seconds, at_once=1)["rate"],
        "at_once": peer.ask("closed", seconds=sizes.seconds, at_once=AT_ONCE)["rate"],
    }
    if peer.bulk:
        figures["batch"] = peer.ask("batches", seconds=sizes.seconds, size=BATCH)["rate"]
    return figures


def wait_for_workers(peer: Peer) -> None:
    """Have the workers run some jobs, so that they are known to be there, and warm."""
    peer.home.marks.forget()
    peer.ask("fill", kind="effect", count=FIRST_JOBS)
    until(peer, FIRST_JOBS)


def _executing(peer: Peer, kind: str, sizes: Sizes) -> Figures:
    """Write a backlog while the workers stand still, let them go on, and return the rate over its middle.

    Of the jobs with a row also what each has cost all processors, the servers' part included.
    """
    count = max(50, int(peer.spec.backlog[kind] * sizes.backlog))
    marks, before = peer.home.marks, peer.effects()
    marks.forget()
    peer.freeze()
    try:
        peer.ask("fill", kind=kind, count=count)
        peer.vacuum()
        spent = peer.cpu_seconds()
    finally:
        peer.thaw()
    until(peer, count)
    figures = {kind: steady_rate([begun for begun, _ in marks.read()])}
    if kind == "effect":
        _until_written(peer, before + count)
        figures["cpu"] = (peer.cpu_seconds() - spent) * 1e6 / count
    return figures


def until(peer: Peer, count: int) -> None:
    """Wait until so many jobs have begun.

    Raises:
        ServiceFailedError: it took too long, or a process of the peer ended.
    """
    ends_at = time.monotonic() + _PATIENCE
    while (there := peer.home.marks.count()) < count:
        peer.look_after()
        if time.monotonic() > ends_at:
            raise ServiceFailedError(f"{peer.spec.name}: {there} of {count} jobs began within {_PATIENCE:g} s")
        time.sleep(_EVERY)


def _until_written(peer: Peer, count: int) -> None:
    """Wait for the last effects; a peer whose handlers fail would look fast.

    Raises:
        ServiceFailedError: some are missing.
    """
    ends_at = time.monotonic() + 10
    while (there := peer.effects()) < count:
        if time.monotonic() > ends_at:
            raise ServiceFailedError(f"{peer.spec.name}: {there} rows instead of {count} were written")
        time.sleep(_EVERY)


def _latencies(peer: Peer, line: str, kind: str, rate: float, count: int) -> Figures:
    """Send jobs at a rate, and return how long after being sent they began."""
    peer.home.marks.forget()
    peer.ask("paced", kind=kind, rate=rate, count=count, at_once=4)
    until(peer, count)
    taken = latencies(peer.home.marks.read())
    return {f"{line}_p50": percentile(taken, 50), f"{line}_p95": percentile(taken, 95)}
