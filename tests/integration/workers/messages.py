"""Look into a broker's queues from outside, and put things there that do not belong."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import kombu
from amqp.exceptions import InternalError

from gristmill.services.rabbitmq import RabbitMQ
from tests.eventually import eventually

Arrived = tuple[dict[str, Any], Any]


@contextmanager
def connected(url: str) -> Iterator[kombu.Connection]:
    with kombu.Connection(url, connect_timeout=10) as connection:
        yield connection


def take(url: str, queue: str) -> list[Arrived]:
    """Take everything out of a queue: (headers, decoded body) each."""
    return [(message.headers, message.decode()) for message in _drain(url, queue)]


def _drain(url: str, queue: str) -> list[Any]:
    messages = []

    def drain() -> bool:
        with suppress(InternalError), connected(url) as connection:  # so young a queue may have no leader yet: 541
            channel: Any = connection.default_channel
            while (raw := channel.basic_get(queue, no_ack=True)) is not None:
                messages.append(raw if hasattr(raw, "decode") else channel.message_to_python(raw))
            return True
        return False

    eventually(drain, within=60)
    return messages


def count(url: str, queue: str) -> int:
    """Return how many messages wait in a RabbitMQ queue."""
    with connected(url) as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_declare(queue, passive=True).message_count)


def take_marks(url: str, queue: str) -> set[str]:
    """Take everything out of a RabbitMQ queue, whatever it is, and return the correlation ids."""
    return {str(message.properties.get("correlation_id")) for message in _drain(url, queue)}


def vhost_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


def described(server: RabbitMQ, url: str, kind: str) -> dict[str, Any]:
    """Return what the management API says of all queues, exchanges or bindings of a vhost, by name."""
    found: Any = server.api("GET", f"/api/{kind}/{vhost_of(url)}")
    return {each["name"]: each for each in found}
