"""Publish hints on the broker that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gristmill.shared.settings import broker_kind
from gristmill.workers.relay.publish_rabbitmq import RabbitPublisher
from gristmill.workers.relay.publish_valkey import ValkeyPublisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from gristmill.shared.settings import Settings
    from gristmill.workers.relay.hint import Hint


class Publisher(Protocol):
    """Publishes hints on one broker. After any error it drops its connection; the next call makes another."""

    def connect(self) -> None:
        """Be connected, or raise."""

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish all of `hints` before the deadline, or raise."""

    def depth(self, queue: str) -> int:
        """Return how many hints wait in `queue` for a worker to take them, or raise."""

    def forget(self) -> None:
        """Drop the connection."""


def make_publisher(app: Celery, settings: Settings) -> Publisher:
    """Return the publisher for the broker that `settings` name."""
    return RabbitPublisher(app, settings) if broker_kind(settings) == "rabbitmq" else ValkeyPublisher(app)
