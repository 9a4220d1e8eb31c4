"""Measure the backlog of queues at the broker, and let new jobs of a deep queue rest until they can be bundled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from gristmill.shared.queues import QUEUES
from gristmill.shared.task import registry
from gristmill.workers.broker_errors import BROKER_AWAY
from gristmill.workers.hint_size import max_hint_size
from gristmill.workers.relay.bundling import SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gristmill.workers.relay.hint import Hint
    from gristmill.workers.relay.publish import Publisher

# New jobs of a queue with a backlog rest until others can share their hint, but no longer than they would wait anyway.
AT_LEAST: Final = 0.003  # seconds that a hint takes its worker process, whatever it carries
REST: Final = 0.05  # seconds at most


class Backlog:
    """The queues that are deep at the broker, and those of them whose new jobs rest until they can be bundled."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._deep: dict[str, float] = {}

    @property
    def deep(self) -> set[str]:
        """Queues that had a backlog when their depth was last asked for."""
        return set(self._deep)

    @property
    def resting(self) -> list[str]:
        """Queues whose new jobs are held back now, so that more of them share a hint."""
        now = time.monotonic()
        return [queue for queue, until in self._deep.items() if until > now]

    @property
    def pause(self) -> float | None:
        """Seconds until the first rest is over; None while no queue rests."""
        now = time.monotonic()
        return min((until - now for until in self._deep.values() if until > now), default=None)

    def measure(self, published: Sequence[Hint], *, more: bool) -> None:
        """Ask the broker how deep the queues of `published` hints are, where that can matter.

        Args:
            more: the outbox holds more rows that are due: bundles fill without a rest.
        """
        for queue in {hint.queue for hint in published if max_hint_size(registry.find(hint.task)) > 1}:
            self._deep.pop(queue, None)
            try:
                depth = self._publisher.depth(queue)
            except BROKER_AWAY:  # the next hints find out, and say so
                return
            share = depth / QUEUES[queue].concurrency
            if share >= SHARES:
                self._deep[queue] = 0.0 if more else time.monotonic() + min(REST, share * AT_LEAST)
