"""pgqueuer on Postgres, by asyncpg; its tables logged, as it makes them."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import asyncpg
from pgqueuer import PgQueuer, Queries
from pgqueuer.models import Job

from bench.peers.inside import work
from bench.peers.inside.serving_async import AsyncProducer, serve


async def main() -> PgQueuer:
    """Return what is run."""
    pgq = PgQueuer.from_asyncpg_connection(await asyncpg.connect(work.DATABASE))
    one_at_a_time = asyncio.Lock()  # it refuses to run fewer than twice the jobs that it fetches at once
    pool: Any = await asyncpg.create_pool(work.DATABASE, min_size=1, max_size=1)

    @pgq.entrypoint("run")
    async def run(job: Job) -> None:
        kind, sent = json.loads(job.payload or b"[]")
        async with one_at_a_time:
            await work.run_async(kind, sent, lambda sent: pool.execute(work.INSERT.format("$1"), sent))

    return pgq


def consume() -> None:
    """Be a worker: what `pgq run` does, which fails at its own option for the level of its log."""

    async def start() -> None:
        pgq = await main()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, pgq.shutdown.set)
        await pgq.run()

    asyncio.run(start())


def produce() -> None:
    """Be the producer."""

    async def start() -> None:
        queries = Queries.from_asyncpg_pool(await asyncpg.create_pool(work.DATABASE, min_size=1, max_size=10))
        await queries.install()
        await serve(
            AsyncProducer(
                one=lambda kind, sent: queries.enqueue("run", json.dumps([kind, sent]).encode()),
                many=lambda kind, count: queries.enqueue(
                    ["run"] * count, [json.dumps([kind, 0.0]).encode()] * count, [0] * count
                ),
            )
        )

    asyncio.run(start())
