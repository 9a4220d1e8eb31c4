"""Plain Celery: quorum queue, persistent messages, publisher confirms, late acks; no result, no state."""

from __future__ import annotations

from typing import Final

from celery import Celery

from bench.peers.inside import work
from bench.peers.inside.serving import Producer, serve

DURABLE: Final = {
    "broker_transport_options": {"confirm_publish": True},
    "task_default_queue_type": "quorum",
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_ignore_result": True,
    "broker_connection_retry_on_startup": True,
}

app = Celery("plain", broker=work.AMQP)
app.conf.update(DURABLE)


@app.task(name="plain.run")
def run(kind: str, sent: float) -> None:
    """Do one job."""
    work.run(kind, sent)


def produce() -> None:
    """Be the producer."""
    serve(Producer(one=run.delay))


def consume() -> None:
    """Be the worker; without the `celery` command, which would load Flower where that is installed."""
    app.Worker(concurrency=2, loglevel="WARNING").start()
