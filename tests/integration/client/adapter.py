"""Use the asyncio client as the blocking one is used, so that each test runs with both."""

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, Self, TypeVar, cast

from gristmill import AsyncClient, Client

T = TypeVar("T")
_END: Any = object()


class Loop:
    """An event loop in a thread: what a client does in the background goes on while a test does something else."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(200)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


class Adapted:
    """Has the methods of an object with coroutine methods, which block."""

    def __init__(self, loop: Loop, adapted: Any) -> None:
        self._loop = loop
        self._adapted = adapted

    def __repr__(self) -> str:
        return repr(self._adapted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._adapted.close())

    @property
    def spool(self) -> "Adapted":
        return Adapted(self._loop, self._adapted.spool)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._adapted, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            return self._loop.run(result) if inspect.iscoroutine(result) else self._iterate(result)

        return call

    def _iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        async def step() -> T:
            return await anext(items, _END)

        try:
            while (item := self._loop.run(step())) is not _END:
                yield item
        finally:
            self._loop.run(self._close(items))

    async def _close(self, items: AsyncGenerator[T, None]) -> None:
        await items.aclose()


def make_adapted(loop: Loop, *args: Any, **kwargs: Any) -> Client:
    """Make an asyncio client on this loop, to be used as a blocking one."""

    async def make() -> AsyncClient:
        return await AsyncClient(*args, **kwargs).__aenter__()

    return cast("Client", Adapted(loop, loop.run(make())))
