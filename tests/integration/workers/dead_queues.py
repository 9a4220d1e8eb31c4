"""Messages in the dead-letter queues of a broker: put there by the broker itself, by a worker, or by hand."""

from typing import Any
from uuid import UUID

import kombu
from celery import Celery

from gristmill.shared.queues import EXCHANGE, QUEUES
from gristmill.workers.relay.hint import Hint, message_of
from tests.eventually import eventually
from tests.integration.workers.messages import connected, count

DATA = "data_processing_queue"
DEAD = QUEUES[DATA].dead_letter_queue


def publish(url: str, app: Celery, hint: Hint, *, expiration: float | None = None) -> None:
    """Publish a hint into its queue, perhaps with a time to live in seconds of its own."""
    headers, properties, body = message_of(app, hint)
    send(
        url,
        body,
        headers=headers,
        exchange=EXCHANGE,
        routing_key=QUEUES[hint.queue].routing_key(hint.task),
        expiration=expiration,
        **properties,
    )


def bury(url: str, app: Celery, hint: Hint, reason: str = "rejected") -> None:
    """Put a hint into the dead-letter queue as it looks when its broker or its worker gave it up."""
    headers, properties, body = message_of(app, hint)
    death = {"queue": hint.queue, "reason": reason, "count": 1, "exchange": EXCHANGE, "routing-keys": ["processing.x"]}
    headers = {**headers, "x-death": [death]}
    send(url, body, headers=headers, routing_key=QUEUES[hint.queue].dead_letter_queue, **properties)


def send(
    url: str,
    body: bytes | str,
    *,
    headers: dict[str, Any] | None = None,
    content_type: str = "application/json",
    exchange: str = "",
    routing_key: str = DEAD,
    **properties: Any,
) -> None:
    """Send a message as it is, whatever it is."""
    if url.startswith("redis") and isinstance(body, bytes):
        body = body.decode(errors="replace")  # as a worker buries it there: Valkey's messages are JSON
    with connected(url) as connection:
        kombu.Producer(connection.default_channel).publish(
            body,
            headers=headers or {},
            content_type=content_type,
            content_encoding="utf-8",
            exchange=exchange,
            routing_key=routing_key,
            **properties,
        )


def reject_one(url: str, queue: str = DATA) -> None:
    """Take a message from a queue and refuse it, as a worker does whose job is dead."""
    with connected(url) as connection:
        channel: Any = connection.default_channel
        message = eventually(lambda: channel.basic_get(queue, no_ack=False))
        channel.basic_reject(message.delivery_tag, requeue=False)


def give_back(url: str, times: int, queue: str = DATA) -> None:
    """Take a message and give it back, again and again: the broker counts it."""
    with connected(url) as connection:
        channel: Any = connection.default_channel
        for _ in range(times):
            message = eventually(lambda: channel.basic_get(queue, no_ack=False) or count(url, DEAD))
            if isinstance(message, int):
                return
            channel.basic_reject(message.delivery_tag, requeue=True)


def waiting(url: str, queue: str = DEAD) -> int:
    """How many messages wait in a queue of either broker."""
    if not url.startswith("redis"):
        return count(url, queue)
    with connected(url) as connection:
        channel: Any = connection.default_channel
        return int(channel.client.llen(queue))


def hint_of(job: UUID, *others: UUID, revivals: int = 0, task: str = "demo.effect") -> Hint:
    return Hint(task, DATA, (job, *others), revivals=revivals)
