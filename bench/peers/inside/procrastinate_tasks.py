"""procrastinate on Postgres, by its pool of psycopg connections."""

from __future__ import annotations

import asyncio

from procrastinate import App, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from bench.peers.inside import work
from bench.peers.inside.serving_async import AsyncProducer, serve

app = App(connector=PsycopgConnector(conninfo=work.DATABASE))
_pools: list[AsyncConnectionPool] = []


@app.task(name="run")
async def run(kind: str, sent: float) -> None:
    """Do one job."""
    await work.run_async(kind, sent, _insert)


async def _insert(sent: float) -> None:
    if not _pools:
        _pools.append(AsyncConnectionPool(work.DATABASE, min_size=1, max_size=1, open=False))
        await _pools[0].open(wait=True)
    async with _pools[0].connection() as connection:
        await connection.execute(work.INSERT.format("%s"), (sent,))


def produce() -> None:
    """Be the producer."""

    async def start() -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await serve(
                AsyncProducer(
                    one=lambda kind, sent: run.defer_async(kind=kind, sent=sent),
                    many=lambda kind, count: run.batch_defer_async(*[{"kind": kind, "sent": 0.0}] * count),
                )
            )

    asyncio.run(start())
