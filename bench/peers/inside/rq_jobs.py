"""RQ: `rq worker` forks a process for each job, as it does unless told otherwise."""

from __future__ import annotations

from redis import Redis
from rq import Queue

from bench.peers.inside import work
from bench.peers.inside.serving import Producer, serve


def produce() -> None:
    """Be the producer."""
    queue = Queue(connection=Redis.from_url(work.REDIS))

    def many(kind: str, count: int) -> None:
        queue.enqueue_many([Queue.prepare_data(work.run, (kind, 0.0)) for _ in range(count)])

    serve(Producer(one=lambda kind, sent: queue.enqueue(work.run, kind, sent), many=many))
