"""Wait on the event loop of asyncio: the runtime of `AsyncClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from gristmill.client.runtime import Answer, Request, Stream, headers_of

T = TypeVar("T")


class AsyncioRuntime:
    """Requests by an `httpx.AsyncClient`; background work in a task. The tasks of one event loop may share it."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers_of(api_key))
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def send(self, request: Request) -> Answer:
        """Send a request once."""
        try:
            async with asyncio.timeout(request.seconds_left):
                answer = await self._http.request(**request.options())
        except TimeoutError as error:
            msg = "the answer was not complete in time"
            raise httpx.ReadTimeout(msg) from error
        return Answer(answer.status_code, answer.headers, answer.content)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """Send a request once, and give the answer as it comes."""
        async with self._http.stream(**request.options()) as answer:
            yield Stream(answer.status_code, answer.headers, answer.aiter_bytes())

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function that may wait for a disk, in a thread."""
        return await asyncio.to_thread(function)

    async def wait_for_close(self, seconds: float) -> bool:
        """Wait at most so many seconds, and return True when the client is closed."""
        try:
            async with asyncio.timeout(seconds):
                return await self._closing.wait()
        except TimeoutError:
            return False

    def start(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start an action in a task, unless it runs."""
        if (self._task is None or self._task.done()) and not self._closing.is_set():
            self._task = asyncio.get_running_loop().create_task(action(), name="gristmill-spool")

    async def close(self, patience: float) -> None:
        """End the task after the request that it is sending, and close all connections."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=patience)
            self._task.cancel()
        await self._http.aclose()
