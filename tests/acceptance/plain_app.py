"""Somebody else's Celery: its own settings, none of our code, and a task of a name that we use."""

import os

from celery import Celery
from kombu import Queue

QUEUE = "data_processing_queue"

app = Celery("plain", broker=os.environ["PLAIN_BROKER_URL"])
app.conf.task_queues = [Queue(QUEUE, queue_arguments={"x-queue-type": "quorum"}, no_declare=True)]
app.conf.task_acks_late = True


@app.task(name="demo.echo", bind=True)
def echo(self: object, ids: list[str]) -> None:
    """Say what came."""
    request = self.request  # type: ignore[attr-defined]  # Celery's task
    print(f"came {request.id} with {ids} by {request.delivery_info['exchange']!r}", flush=True)  # noqa: T201  its log
