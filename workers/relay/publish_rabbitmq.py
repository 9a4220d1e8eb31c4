"""Publish hints on RabbitMQ, many at a time, with a confirm for each."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import amqp

from gristmill.shared.queues import EXCHANGE, QUEUES
from gristmill.workers.broker_errors import PublishError
from gristmill.workers.celery import topology
from gristmill.workers.relay.hint import Hint, message_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from gristmill.shared.settings import Settings


class RabbitPublisher:
    """Publishes with pipelined confirms: a batch is written, then its acks are counted, under one deadline."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._timeout = settings.publish_timeout
        self._connection: Any = None
        self._channel: Any = None
        self._unconfirmed: set[int] = set()
        self._published = 0
        self._problem: str | None = None

    def connect(self) -> None:
        """Connect, declare the topology and enable publisher confirms."""
        if self._connection is not None and self._connection.connected:
            return
        self.forget()
        kombu_connection = self._app.connection_for_write()
        try:
            kombu_connection.ensure_connection(max_retries=1, timeout=math.ceil(self._timeout))
            topology.declare(kombu_connection)
            self._connection = kombu_connection
            self._channel = self._confirming(kombu_connection.default_channel)
        except BaseException:
            kombu_connection.collect()
            self.forget()
            raise

    def _confirming(self, channel: Any) -> Any:
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        return channel

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish `hints` as mandatory, persistent messages and wait until RabbitMQ has confirmed each.

        Raises:
            PublishError: one was refused, came back as unroutable, or was not confirmed in time.
        """
        self.connect()
        deadline = time.monotonic() + self._timeout
        self._problem = None
        try:
            self._write(hints)
            self._wait_for_confirms(deadline)
        except BaseException:
            # A late confirm would be taken for one of the next batch: the connection is dropped with the batch.
            self.forget()
            raise

    def _write(self, hints: Sequence[Hint]) -> None:
        for hint in hints:
            headers, properties, body = message_of(self._app, hint)
            message = amqp.basic_message.Message(
                body,
                content_type="application/json",
                content_encoding="utf-8",
                application_headers=headers,
                delivery_mode=2,
                **properties,
            )
            self._published += 1
            self._unconfirmed.add(self._published)
            self._channel._basic_publish(  # noqa: SLF001  basic_publish would wait for each confirm in turn
                message, EXCHANGE, QUEUES[hint.queue].routing_key(hint.task), mandatory=True, timeout=self._timeout
            )

    def _wait_for_confirms(self, deadline: float) -> None:
        while self._unconfirmed and self._problem is None:
            left = deadline - time.monotonic()
            if left <= 0:
                self._problem = f"{len(self._unconfirmed)} hints were not confirmed within {self._timeout:g} s"
                break
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                continue
        if self._problem is not None:
            msg = f"RabbitMQ did not take the hints: {self._problem}; they stay in the outbox and are tried again"
            raise PublishError(msg)

    def depth(self, queue: str) -> int:
        """Return how many hints wait in `queue`, without those that workers have prefetched."""
        self.connect()
        try:
            return int(self._channel.queue_declare(queue, passive=True).message_count)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drop the connection without the closing handshake, which waits for a broker that may be silent."""
        connection, self._connection, self._channel = self._connection, None, None
        self._unconfirmed.clear()
        self._published = 0
        if connection is not None:
            connection.collect()

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > delivery_tag}
        else:
            self._unconfirmed.discard(delivery_tag)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._problem = f"it refused number {delivery_tag} (multiple={multiple}); the queue may be full"

    def _on_return(self, error: Exception, exchange: str, routing_key: str, _message: Any) -> None:
        self._problem = f"no queue of {exchange!r} takes {routing_key!r} ({error})"
