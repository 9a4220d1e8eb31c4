"""dramatiq on RabbitMQ: persistent messages on durable queues, with publisher confirms; acks after the actor."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.peers.inside import work
from bench.peers.inside.serving import Producer, serve

broker = RabbitmqBroker(url=work.AMQP, confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor
def run(kind: str, sent: float) -> None:
    """Do one job."""
    work.run(kind, sent)


def produce() -> None:
    """Be the producer."""
    serve(Producer(one=run.send))
