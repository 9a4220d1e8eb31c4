"""taskiq on RabbitMQ: quorum queue, persistent messages, publisher confirms; acks when the task has run."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker

from bench.peers.inside import work
from bench.peers.inside.serving_async import AsyncProducer, serve

broker = AioPikaBroker(work.AMQP)
_pools: list[Any] = []


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def connect(_: TaskiqState) -> None:
    """Open the worker's connection to Postgres."""
    _pools.append(await asyncpg.create_pool(work.DATABASE, min_size=1, max_size=1))


@broker.task(task_name="run")
async def run(kind: str, sent: float) -> None:
    """Do one job."""
    await work.run_async(kind, sent, lambda sent: _pools[0].execute(work.INSERT.format("$1"), sent))


def produce() -> None:
    """Be the producer."""

    async def start() -> None:
        await broker.startup()
        await serve(AsyncProducer(one=run.kiq))

    asyncio.run(start())
