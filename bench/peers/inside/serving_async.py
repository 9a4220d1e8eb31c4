"""The same for peers whose calls are coroutines: tasks of one event loop instead of threads."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.peers.inside.serving import WARM_UP, control, summary, tell

One = Callable[[str, float], Awaitable[object]]
Many = Callable[[str, int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class AsyncProducer:
    """The interface by which a peer is given jobs in coroutines, as `serving.Producer` is in plain calls."""

    one: One
    many: Many | None = None


async def serve(producer: AsyncProducer) -> None:
    """Do what is asked until the other side hangs up."""
    with control() as link, link.makefile("rw", encoding="utf-8") as lines:
        tell(lines, {"ready": True, "bulk": producer.many is not None})
        while line := await asyncio.to_thread(lines.readline):
            tell(lines, await obey(producer, json.loads(line)))


async def obey(producer: AsyncProducer, wanted: dict[str, Any]) -> dict[str, Any]:
    """Do one thing."""
    what = wanted["do"]
    if what == "closed":
        return await closed(producer.one, wanted["seconds"], wanted["at_once"])
    if what == "batches":
        return await batches(producer.many, wanted["seconds"], wanted["size"])
    if what == "paced":
        return await paced(producer.one, wanted["kind"], wanted["rate"], wanted["count"])
    await fill(producer, wanted["kind"], wanted["count"])
    return {}


async def closed(one: One, seconds: float, at_once: int) -> dict[str, Any]:
    """Keep `at_once` jobs under way."""
    begins_at = time.monotonic() + WARM_UP
    ends_at = begins_at + seconds
    taken: list[float] = []

    async def send() -> None:
        while (began := time.monotonic()) < ends_at:
            await one("noop", began)
            if begins_at <= (now := time.monotonic()) < ends_at:
                taken.append(now - began)

    await asyncio.gather(*(send() for _ in range(at_once)))
    return summary(taken, seconds)


async def batches(many: Many | None, seconds: float, size: int) -> dict[str, Any]:
    """Send batches one after the other."""
    if many is None:
        return {}
    await many("noop", size)
    began, taken = time.monotonic(), list[float]()
    while time.monotonic() - began < seconds:
        at = time.monotonic()
        await many("noop", size)
        taken.append(time.monotonic() - at)
    answer = summary(taken, time.monotonic() - began)
    return answer | {"rate": answer["rate"] * size}


async def paced(one: One, kind: str, rate: float, count: int) -> dict[str, Any]:
    """Send `count` jobs at `rate` a second, whether or not the ones before have been accepted."""
    begins_at = time.monotonic() + WARM_UP
    taken: list[float] = []

    async def send(at: int) -> None:
        await asyncio.sleep(max(0.0, begins_at + at / rate - time.monotonic()))
        sent = time.monotonic()
        await one(kind, sent)
        taken.append(time.monotonic() - sent)

    await asyncio.gather(*(send(at) for at in range(count)))
    return summary(taken, max(1e-9, time.monotonic() - begins_at))


async def fill(producer: AsyncProducer, kind: str, count: int) -> None:
    """Write a backlog as fast as it goes."""
    for first in range(0, count, 1000):
        size = min(1000, count - first)
        if producer.many is not None:
            await producer.many(kind, size)
        else:
            await asyncio.gather(*(producer.one(kind, 0.0) for _ in range(size)))
