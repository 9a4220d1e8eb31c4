"""huey on Redis, with worker processes."""

from __future__ import annotations

from huey import RedisHuey

from bench.peers.inside import work
from bench.peers.inside.serving import Producer, serve

huey = RedisHuey("bench", url=work.REDIS, results=False)


@huey.task()
def run(kind: str, sent: float) -> None:
    """Do one job."""
    work.run(kind, sent)


def produce() -> None:
    """Be the producer."""
    serve(Producer(one=run))
