"""Publish hints: many at a time with a confirm for each on RabbitMQ, into lists on Valkey."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import amqp
import kombu
import orjson
import structlog
from uuid_utils.compat import uuid7

from gristmill.shared.queues import EXCHANGE, QUEUES
from gristmill.shared.settings import broker_kind
from gristmill.shared.task import registry
from gristmill.workers.broker_errors import PublishError
from gristmill.workers.celery import topology
from gristmill.workers.celery.app import hard_limit
from gristmill.workers.hint_size import portion_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from gristmill.shared.settings import Settings

log = structlog.get_logger(__name__)
REVIVALS = "x-gristmill-revivals"  # how often the broker has given up on a hint of this job
MAX_REPR = 120  # characters of ids that Flower shows


@dataclass(frozen=True, slots=True)
class Hint:
    """One message: the ids of jobs of one task, and the queue they go through."""

    task: str
    queue: str
    job_ids: tuple[UUID, ...]
    revivals: int = 0


class Publisher(Protocol):
    """A way to a broker. After any error it forgets its connection and makes another one for the next call."""

    def connect(self) -> None:
        """Be connected, or raise."""

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish all of `hints` before the deadline, or raise."""

    def depth(self, queue: str) -> int:
        """Return how many hints wait in `queue` for a worker to take them, or raise."""

    def forget(self) -> None:
        """Throw the connection away."""


def message_of(app: Celery, hint: Hint) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return (headers, properties, body) of a Celery protocol 2 message, as a plain Celery worker reads it."""
    ids = [str(job_id) for job_id in hint.job_ids]
    task = registry.find(hint.task)
    hint_id = ids[0] if len(ids) == 1 else str(uuid7())
    made = app.amqp.as_task_v2(
        hint_id,
        hint.task,
        args=(ids,),
        time_limit=hard_limit(task, min(len(ids), portion_of(task))) if task is not None else None,
        argsrepr=", ".join(ids)[:MAX_REPR],
        kwargsrepr="{}",
        ignore_result=True,
    )
    headers = {**made.headers, REVIVALS: hint.revivals} if hint.revivals else made.headers
    return headers, made.properties, orjson.dumps(made.body)


class RabbitPublisher:
    """Pipelined publisher confirms: a batch is written, then its acks are counted, under one deadline."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._timeout = settings.publish_timeout
        self._connection: Any = None
        self._channel: Any = None
        self._unconfirmed: set[int] = set()
        self._published = 0
        self._problem: str | None = None

    def connect(self) -> None:
        """Connect, declare the topology and switch confirms on."""
        if self._connection is not None and self._connection.connected:
            return
        self.forget()
        kombu_connection = self._app.connection_for_write()
        try:
            kombu_connection.ensure_connection(max_retries=1, timeout=math.ceil(self._timeout))
            topology.declare(kombu_connection)
            self._connection = kombu_connection
            self._channel = kombu_connection.default_channel
            self._channel.confirm_select()
            self._channel.events["basic_ack"].add(self._on_ack)
            self._channel.events["basic_nack"].add(self._on_nack)
            self._channel.events["basic_return"].add(self._on_return)
        except BaseException:
            kombu_connection.collect()
            self.forget()
            raise

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish `hints` as mandatory, persistent messages and wait until RabbitMQ has confirmed each.

        Raises:
            PublishError: one was refused, came back as unroutable, or was not confirmed in time.
        """
        self.connect()
        deadline = time.monotonic() + self._timeout
        self._problem = None
        try:
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
            self._wait_for_confirms(deadline)
        except BaseException:
            # A confirm that comes late would be taken for the next batch's: the connection goes with the batch.
            self.forget()
            raise

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
        """Return how many hints wait in `queue`, those that workers have fetched ahead left out."""
        self.connect()
        try:
            return int(self._channel.queue_declare(queue, passive=True).message_count)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Throw the connection away without the polite handshake, which waits for a broker that may be silent."""
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
        except BaseException:
            self.forget()
            raise

    def depth(self, queue: str) -> int:
        """Return how many hints wait in the list of `queue`."""
        self.connect()
        try:
            return int(_channel_of(self._connection).client.llen(queue))
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Throw the connection away."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()


def _channel_of(connection: kombu.Connection) -> Any:
    """Return the default channel, with what kombu's stubs do not know of it."""
    return connection.default_channel


def make_publisher(app: Celery, settings: Settings) -> Publisher:
    """Return the publisher for the broker that `settings` name."""
    return RabbitPublisher(app, settings) if broker_kind(settings) == "rabbitmq" else ValkeyPublisher(app)
