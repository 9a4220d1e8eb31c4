"""What this process counts, and what the database knows of the queues, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import structlog
from prometheus_client import GC_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from gristmill.shared.operating.queries_queue_depths import Depth, list_depths

if TYPE_CHECKING:
    from gristmill.ingress.accepting.group_commit import Acceptor
    from gristmill.ingress.access.rate_counters import Limits
    from gristmill.ingress.following.follow import Waiters
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
_GAUGES: Final[dict[str, tuple[str, Callable[[Depth], float]]]] = {
    "oldest_seconds": ("How long the first in line has been due.", lambda depth: depth.oldest_seconds or 0.0),
    "paused": ("1 when it is paused.", lambda depth: float(depth.paused_at is not None)),
    "workers": ("Processes that can each run a job.", lambda depth: depth.workers),
    "accepted_per_minute": ("Jobs that came in.", lambda depth: depth.accepted_a_minute),
    "started_per_minute": ("Attempts that began.", lambda depth: depth.started_a_minute),
}
_COUNTED: Final = ("ready", "scheduled", "retrying", "running", "dead")


class Metrics:
    """The metrics of one app. A histogram's child is kept for each route and status, so that counting is cheap."""

    def __init__(
        self, database: Database, *, acceptors: Mapping[str, Acceptor], waiters: Waiters, limits: Limits
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        here = _Here(acceptors, waiters, limits)
        for collector in (PROCESS_COLLECTOR, GC_COLLECTOR, here, _Queues(database)):
            self.registry.register(collector)
        self._seconds = Histogram(
            "gristmill_http_request_seconds",
            "Time from a request's head to its answer, by route and status.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._known: dict[tuple[str, str, str], Histogram] = {}

    def count(self, method: str, route: str | None, status: str, seconds: float) -> None:
        """Count a request that is answered; what matches no route is one route, whatever its path and method."""
        key = (method, route, status) if route is not None else ("any", "none", status)
        child = self._known.get(key)
        if child is None:
            child = self._known[key] = self._seconds.labels(*key)
        child.observe(seconds)


class _Here(Collector):
    """What waits in this process."""

    def __init__(self, acceptors: Mapping[str, Acceptor], waiters: Waiters, limits: Limits) -> None:
        self._acceptors = acceptors
        self._waiters = waiters
        self._limits = limits

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("gristmill_accept_waiting_jobs", "Jobs that wait to be written.", labels=["kind"])
        for kind, acceptor in self._acceptors.items():
            waiting.add_metric([kind], acceptor.size)
        yield waiting
        held = GaugeMetricFamily("gristmill_held_requests", "Requests that hold a thread.", labels=["kind"])
        held.add_metric(["wait"], self._waiters.waiting)
        held.add_metric(["stream"], self._waiters.streaming)
        yield held
        yield CounterMetricFamily(
            "gristmill_limits_fallbacks",
            "Requests counted by this process alone, since Valkey or Redis was away: rates hold for each process then.",
            value=self._limits.fallbacks,
        )


class _Queues(Collector):
    """What the database knows. While it is away the rest is told all the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("gristmill_database_up", "1 when Postgres answered this look.")
        try:
            with self._database.transaction() as session:
                depths = list_depths(session)
        except SQLAlchemyError as error:
            log.warning("metrics.database_away", error=type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield _jobs(depths)
        for name, (text, of) in _GAUGES.items():
            family = GaugeMetricFamily(f"gristmill_queue_{name}", text, labels=["queue"])
            for depth in depths:
                family.add_metric([depth.queue], of(depth))
            yield family


def _jobs(depths: list[Depth]) -> Metric:
    jobs = GaugeMetricFamily(
        "gristmill_queue_jobs", "Jobs by what they wait for; dead: open dead letters.", labels=["queue", "state"]
    )
    for depth in depths:
        for state in _COUNTED:
            jobs.add_metric([depth.queue, state], getattr(depth, state))
    return jobs
