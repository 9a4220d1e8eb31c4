"""The one difference between the blocking client and the asyncio client: the way to wait.

All methods of both clients are written once, as coroutines that wait by a `Runtime` only. `AsyncClient` gives them
asyncio's. `Client` gives them one that blocks, so that such a coroutine runs to its end at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """One try of an HTTP request.

    Attributes:
        silence: seconds without a byte after which the try is abandoned.
        deadline: the time by `time.monotonic()` at which it is abandoned in any case; a stream ignores it.
    """

    method: str
    path: str
    deadline: float
    silence: float
    body: Any = None
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None

    @property
    def seconds_left(self) -> float:
        """The seconds until the deadline, at least a millisecond: a timeout of zero means none to some libraries."""
        return max(0.001, self.deadline - time.monotonic())

    def options(self) -> dict[str, Any]:
        """Return the arguments for httpx."""
        return {
            "method": self.method,
            "url": self.path,
            "json": self.body,
            "params": self.params,
            "headers": self.headers,
            "timeout": min(self.silence, self.seconds_left),
        }


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def json(self) -> Any:
        """Return the JSON of the answer.

        Raises:
            ValueError: the answer is no JSON, as the page of a proxy, or one that was cut.
        """
        return json.loads(self.content)


@dataclass(frozen=True)
class Stream:
    """An HTTP answer whose body is still coming."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    async def read(self) -> Answer:
        """Return the complete answer."""
        return Answer(self.status, self.headers, b"".join([chunk async for chunk in self.chunks]))


class Runtime(Protocol):
    """Sends, sleeps and calls for the methods of a client."""

    @property
    def url(self) -> str:
        """The URL of the API, without a slash at its end."""

    async def send(self, request: Request) -> Answer:
        """Send a request once.

        Raises:
            httpx.RequestError: no complete answer came.
        """

    def stream(self, request: Request) -> AbstractAsyncContextManager[Stream]:
        """Send a request once, and give the answer as it comes."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function that may wait for a disk."""

    async def wait_for_close(self, seconds: float) -> bool:
        """Wait at most so many seconds, and return True when the client is closed."""

    def start(self, action: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start an action beside the others; nothing happens if it runs already."""

    async def close(self, patience: float) -> None:
        """End the action within so many seconds, and close all connections."""


def headers_of(api_key: str) -> dict[str, str]:
    """Return the headers of every request."""
    version = import_module("gristmill").__version__  # by name: the client imports no other module of the platform
    return {"Authorization": f"Bearer {api_key}", "User-Agent": f"gristmill-client/{version}"}
