"""Ask the broker how many hints wait in each queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound

from gristmill.shared.queues import QUEUES
from gristmill.shared.settings import broker_kind
from gristmill.workers.celery import topology
from gristmill.workers.celery.app import BROKER_TIMEOUT

if TYPE_CHECKING:
    from celery import Celery

    from gristmill.shared.settings import Settings


class BrokerView:
    """One connection to the broker. After any error it is dropped, and the next call makes another."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._rabbitmq = broker_kind(settings) == "rabbitmq"
        self._connection: Any = None

    def count_ready(self) -> dict[str, int]:
        """Return how many hints of each queue wait for a worker; a queue that is gone is declared again."""
        channel = self.channel()
        try:
            return {name: self._ready(channel, name) for name in QUEUES}
        except NotFound:
            self.forget()  # the error has closed the channel; connecting declares what is missing
            return {name: self._ready(self.channel(), name) for name in QUEUES}

    def channel(self) -> Any:
        """Return the channel, connected."""
        if self._connection is None:
            connection = self._app.connection_for_write()
            try:
                connection.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT)
                if self._rabbitmq:
                    topology.declare(connection)
            except BaseException:
                connection.collect()
                raise
            self._connection = connection
        return self._connection.default_channel

    def forget(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()

    def _ready(self, channel: Any, queue: str) -> int:
        if self._rabbitmq:
            return int(channel.queue_declare(queue, passive=True).message_count)
        return int(channel.client.llen(queue))
