"""Declare the exchanges and queues on the broker; no other module declares any."""

from __future__ import annotations

from typing import Any, Final

import kombu
import structlog
from amqp.exceptions import PreconditionFailed

from gristmill.shared.errors import GristmillError
from gristmill.shared.queues import DEAD_LETTER_EXCHANGE, EXCHANGE, QUEUES, Queue

# The broker's own guard, beside the attempts that Postgres counts: a hint that was delivered this often and never
# acknowledged is put into the dead-letter queue. High, because waiting for Postgres gives a hint back, too.
DELIVERY_LIMIT: Final = 100
# Milliseconds that a hint of a queue without a time to live may lie in the broker.
LONGEST_STAY: Final = 7 * 24 * 3600 * 1000

log = structlog.get_logger(__name__)

work_exchange: Final = kombu.Exchange(EXCHANGE, type="topic", durable=True)
dead_letter_exchange: Final = kombu.Exchange(DEAD_LETTER_EXCHANGE, type="direct", durable=True)


class TopologyError(GristmillError):
    """The broker holds a queue or an exchange of our name with other arguments."""

    code = "BROKER_TOPOLOGY_001"


def work_queue(queue: Queue, *, quorum: bool) -> kombu.Queue:
    """Return the kombu queue of `queue`: a quorum queue with its dead-letter queue on RabbitMQ, plain elsewhere."""
    return kombu.Queue(
        queue.name,
        exchange=work_exchange,
        routing_key=queue.binding,
        durable=True,
        queue_arguments=_arguments(queue) if quorum else None,
    )


def _arguments(queue: Queue) -> dict[str, Any]:
    stay = LONGEST_STAY if queue.time_to_live is None else int(queue.time_to_live.total_seconds() * 1000)
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
        "x-dead-letter-routing-key": queue.dead_letter_queue,
        "x-dead-letter-strategy": "at-most-once",  # docs/decisions/0021
        "x-overflow": "reject-publish",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-message-ttl": stay,
    }


def dead_letter_queue(queue: Queue) -> kombu.Queue:
    """Return the kombu queue that keeps what the broker or a worker gave up on."""
    return kombu.Queue(
        queue.dead_letter_queue,
        exchange=dead_letter_exchange,
        routing_key=queue.dead_letter_queue,
        durable=True,
        queue_arguments={"x-queue-type": "quorum"},
    )


def work_queues(*, quorum: bool) -> list[kombu.Queue]:
    """Return the kombu queues of the whole topology."""
    return [work_queue(queue, quorum=quorum) for queue in QUEUES.values()]


def declare(connection: kombu.Connection) -> None:
    """Declare everything on a RabbitMQ broker. Repeating it changes nothing.

    Raises:
        TopologyError: something of that name exists with other arguments; the message says what to do.
    """
    channel: Any = connection.channel()
    try:
        work_exchange(channel).declare()
        dead_letter_exchange(channel).declare()
        for queue in QUEUES.values():
            dead_letter_queue(queue)(channel).declare()
            work_queue(queue, quorum=True)(channel).declare()
    except PreconditionFailed as error:
        msg = (
            f"RabbitMQ has a queue or exchange of ours with other arguments: {error.reply_text} "
            "Drain and delete it (jobs are safe in Postgres and their hints are published again), or use another vhost."
        )
        raise TopologyError(msg) from error
    channel.close()
    log.info("topology.declared", queues=len(QUEUES))
