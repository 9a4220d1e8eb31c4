"""Which jobs travel together: latency first while there is little to do, bundles once every worker has work."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from gristmill.shared.queues import QUEUES
from gristmill.shared.task import registry
from gristmill.workers.broker_errors import BROKER_AWAY
from gristmill.workers.hint_size import most_in_hint
from gristmill.workers.relay.publish import Hint

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gristmill.shared.jobs.outbox import Due
    from gristmill.workers.relay.publish import Publisher

# Hints that each worker process of a queue shall have before two jobs share one: then nobody idles beside a bundle.
SHARES: Final = 4
# New jobs of a queue with a backlog rest until they have company, but no longer than they would wait there anyway.
AT_LEAST: Final = 0.003  # seconds that a hint takes its worker process, whatever it carries
REST: Final = 0.05  # seconds at most


def pack(due: Sequence[Due], *, deep: Collection[str] = ()) -> list[Hint]:
    """Make hints of due rows, in their order.

    Args:
        deep: queues in which hints wait for every worker process already: there a hint carries as many jobs as it may.
            In the others as many as leave each process its share.
    """
    hints: list[Hint] = []
    counts = Counter((row.task, row.queue) for row in due if not row.alone)
    open_hints: dict[tuple[str, str], list[Due]] = {}
    for row in due:
        if row.alone:
            hints.append(_hint([row]))
            continue
        kind = (row.task, row.queue)
        rows = open_hints.setdefault(kind, [])
        rows.append(row)
        if len(rows) >= _size(row, counts[kind], deep):
            hints.append(_hint(open_hints.pop(kind)))
    return hints + [_hint(rows) for rows in open_hints.values()]


def _size(row: Due, count: int, deep: Collection[str]) -> int:
    most = most_in_hint(registry.find(row.task))
    if most == 1 or row.queue in deep:
        return most
    return min(most, max(1, count // (SHARES * QUEUES[row.queue].concurrency)))


def _hint(rows: Sequence[Due]) -> Hint:
    first = rows[0]
    return Hint(first.task, first.queue, tuple(row.job_id for row in rows), revivals=first.revivals)


class Backlog:
    """What one relay knows of the queues at the broker: which are deep, and which rest to gather bundles."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._deep: dict[str, float] = {}

    @property
    def deep(self) -> set[str]:
        """Queues that had a backlog when they were last looked at."""
        return set(self._deep)

    @property
    def resting(self) -> list[str]:
        """Queues whose new jobs are to wait for company now."""
        now = time.monotonic()
        return [queue for queue, until in self._deep.items() if until > now]

    @property
    def pause(self) -> float | None:
        """Seconds until the first rest is over; None while no queue rests."""
        now = time.monotonic()
        return min((until - now for until in self._deep.values() if until > now), default=None)

    def look(self, published: Sequence[Hint], *, more: bool) -> None:
        """Ask the broker how deep the queues of `published` hints are, where that can matter.

        Args:
            more: the outbox holds more rows that are due: bundles fill without a rest.
        """
        for queue in {hint.queue for hint in published if most_in_hint(registry.find(hint.task)) > 1}:
            self._deep.pop(queue, None)
            try:
                depth = self._publisher.depth(queue)
            except BROKER_AWAY:  # the next hints find out, and say so
                return
            share = depth / QUEUES[queue].concurrency
            if share >= SHARES:
                self._deep[queue] = 0.0 if more else time.monotonic() + min(REST, share * AT_LEAST)
