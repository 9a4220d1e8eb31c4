"""Publish hints on Valkey: push them onto the lists that Celery's transport reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gristmill.workers.relay.hint import Hint, message_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import kombu
    from celery import Celery


class ValkeyPublisher:
    """Pushes hints onto the lists that Celery's Redis transport reads."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Any = None

    def connect(self) -> None:
        """Connect."""
        if self._connection is None:
            connection = self._app.connection_for_write()
            try:
                connection.ensure_connection(max_retries=1)
                _channel_of(connection).client.ping()
            except BaseException:
                connection.collect()
                raise
            self._connection = connection

    def publish(self, hints: Sequence[Hint]) -> None:
        """Push `hints`, each into its queue by name: Valkey loses what is published to a bare exchange."""
        self.connect()
        try:
            self._write(hints)
        except BaseException:
            self.forget()
            raise

    def _write(self, hints: Sequence[Hint]) -> None:
        channel = _channel_of(self._connection)
        for hint in hints:
            headers, properties, body = message_of(self._app, hint)
            message = channel.prepare_message(
                body.decode(),
                content_type="application/json",
                content_encoding="utf-8",
                headers=headers,
                properties={**properties, "delivery_mode": 2},
            )
            channel.basic_publish(message, exchange="", routing_key=hint.queue)

    def depth(self, queue: str) -> int:
        """Return how many hints wait in the list of `queue`."""
        self.connect()
        try:
            return int(_channel_of(self._connection).client.llen(queue))
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()


def _channel_of(connection: kombu.Connection) -> Any:
    """Return the default channel, whose methods kombu's stubs do not know."""
    return connection.default_channel
