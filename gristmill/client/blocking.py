"""Wait by blocking the thread: the runtime of `Client`, and its methods made from those of `AsyncClient`."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import httpx

from gristmill.client.runtime import Answer, Request, Stream, headers_of

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
T = TypeVar("T")
P = ParamSpec("P")
_END: Any = object()


class BlockingRuntime:
    """Requests by an `httpx.Client`; background work in a thread. Threads may share it, and a fork gets its own."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url.rstrip("/")
        self._headers = headers_of(api_key)
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connect()

    def _connect(self) -> None:
        self._process = os.getpid()
        self._http = httpx.Client(base_url=self.url, headers=self._headers)

    @property
    def http(self) -> httpx.Client:
        """The connections of this process: those of its parent would mix the answers of the two."""
        if self._process != os.getpid():
            self._connect()
        return self._http

    async def send(self, request: Request) -> Answer:
        """Send a request once; the deadline is checked whenever a part of the answer comes."""
        parts = []
        with self.http.stream(**request.options()) as answer:
            for part in answer.iter_bytes():
                parts.append(part)
                if time.monotonic() > request.deadline:
                    msg = "the answer was not complete in time"
                    raise httpx.ReadTimeout(msg)
        return Answer(answer.status_code, answer.headers, b"".join(parts))

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """Send a request once, and give the answer as it comes."""
        with self.http.stream(**request.options()) as answer:
            yield Stream(answer.status_code, answer.headers, _each(answer.iter_bytes()))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: ASYNC251  to block is the purpose

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function that may wait for a disk."""
        return function()

    async def wait_for_close(self, seconds: float) -> bool:
        """Wait at most so many seconds, and return True when the client is closed."""
        return self._closing.wait(seconds)

    def start(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start an action in a thread, unless it runs: a fork has none of its parent's threads."""
        with self._starting:
            if (self._thread is None or not self._thread.is_alive()) and not self._closing.is_set():
                self._thread = threading.Thread(target=lambda: run(action()), name="gristmill-spool", daemon=True)
                self._thread.start()

    async def close(self, patience: float) -> None:
        """End the thread after the request that it is sending, and close all connections."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(patience)
        self.http.close()


async def _each(parts: Iterator[T]) -> AsyncIterator[T]:
    for part in parts:
        yield part


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits by a `BlockingRuntime` only, to its end.

    Raises:
        RuntimeError: it waits for something else, such as a future of asyncio.
    """
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    msg = "The blocking client cannot wait for asyncio: use AsyncClient"
    raise RuntimeError(msg)


class Blocking(Generic[A_co]):
    """The base of a class whose methods are those of another, which it holds."""

    _twin: A_co


def blocking(method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Blocking[A], P], T]:
    """Make a blocking method from a coroutine method, with its signature and docstring."""

    @wraps(method)
    def call(self: Blocking[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self._twin, *args, **kwargs))

    return call


def iterating(
    method: Callable[Concatenate[A, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Blocking[A], P], Generator[T, None, None]]:
    """Make a generator method from an asynchronous one."""

    @wraps(method)
    def call(self: Blocking[A], /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        items = method(self._twin, *args, **kwargs)
        try:
            while (item := run(_next(items))) is not _END:
                yield item
        finally:
            run(items.aclose())

    signature = inspect.signature(method)
    returned = str(signature.return_annotation).replace("AsyncGenerator[", "Iterator[").replace(", None]", "]")
    call.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    return call


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items, _END)
