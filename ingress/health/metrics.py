"""Export metrics of this process and of the queues to Prometheus."""

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
    from gristmill.ingress.access.rate_counters import RateCounters
    from gristmill.ingress.following.followers import Followers
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
_GAUGES: Final[dict[str, tuple[str, Callable[[Depth], float]]]] = {
    "oldest_seconds": ("Seconds for which the oldest job has been due.", lambda depth: depth.oldest_seconds or 0.0),
    "paused": ("1 while the queue is paused.", lambda depth: float(depth.paused_at is not None)),
    "workers": ("Worker processes that consume the queue; each runs one job at a time.", lambda depth: depth.workers),
    "accepted_per_minute": ("Jobs accepted in a minute.", lambda depth: depth.accepted_a_minute),
    "started_per_minute": ("Attempts started in a minute.", lambda depth: depth.started_a_minute),
}
_COUNTED: Final = ("ready", "scheduled", "retrying", "running", "dead")


class Metrics:
    """The metrics of one app. The histogram's child of each route and status is kept, so that counting is cheap."""

    def __init__(
        self,
        database: Database,
        *,
        acceptors: Mapping[str, Acceptor],
        followers: Followers,
        rate_counters: RateCounters,
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        of_process = _ProcessCollector(acceptors, followers, rate_counters)
        for collector in (PROCESS_COLLECTOR, GC_COLLECTOR, of_process, _QueueCollector(database)):
            self.registry.register(collector)
        self._seconds = Histogram(
            "gristmill_http_request_seconds",
            "Seconds from the head of a request to its answer, by route and status.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._known: dict[tuple[str, str, str], Histogram] = {}

    def count(self, method: str, route: str | None, status: str, seconds: float) -> None:
        """Count an answered request. All requests that match no route count as one route."""
        key = (method, route, status) if route is not None else ("any", "none", status)
        child = self._known.get(key)
        if child is None:
            child = self._known[key] = self._seconds.labels(*key)
        child.observe(seconds)


class _ProcessCollector(Collector):
    """Jobs and requests that wait in this process."""

    def __init__(self, acceptors: Mapping[str, Acceptor], followers: Followers, rate_counters: RateCounters) -> None:
        self._acceptors = acceptors
        self._followers = followers
        self._rate_counters = rate_counters

    def collect(self) -> Iterator[Metric]:
        accepting = GaugeMetricFamily("gristmill_accept_waiting_jobs", "Jobs that wait to be written.", labels=["kind"])
        for kind, acceptor in self._acceptors.items():
            accepting.add_metric([kind], acceptor.size)
        yield accepting
        held = GaugeMetricFamily(
            "gristmill_held_requests", "Requests that hold a thread while they wait.", labels=["kind"]
        )
        held.add_metric(["wait"], self._followers.long_polls)
        held.add_metric(["stream"], self._followers.streams)
        yield held
        yield CounterMetricFamily(
            "gristmill_limits_fallbacks",
            "Requests that this process counted alone, because Valkey was away; rates then hold for each process.",
            value=self._rate_counters.fallbacks,
        )


class _QueueCollector(Collector):
    """The queues, read from the database. While it is away the other metrics are still exported."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("gristmill_database_up", "1 when Postgres answered this scrape.")
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
        "gristmill_queue_jobs", "Jobs by state; dead counts open dead letters.", labels=["queue", "state"]
    )
    for depth in depths:
        for state in _COUNTED:
            jobs.add_metric([depth.queue, state], getattr(depth, state))
    return jobs
