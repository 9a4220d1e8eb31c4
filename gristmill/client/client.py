"""The client for programs that block: its methods are made from those of `AsyncClient`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Self

from gristmill.client.blocking import Blocking, BlockingRuntime, blocking, iterating
from gristmill.client.connection import find_target
from gristmill.client.operations import Operations
from gristmill.client.spool.options import SpoolOptions
from gristmill.client.spool.spool import Spool


class Client(Blocking[Operations]):
    """A producer's client for one Gristmill. Threads may share it.

    Args:
        url: the URL of the API; by default the environment variable `GRISTMILL_URL`.
        api_key: by default `GRISTMILL_API_KEY`. It appears in no repr and no error.
        timeout: seconds without a byte after which one try of a request is abandoned.
        patience: seconds for all tries of a request.
        spool: a folder for jobs that are posted while the API is unreachable, or `SpoolOptions`. They are sent later,
            once, in order.

    Raises:
        ValueError: there is no URL or no key, a time is not positive, or `on_flushed` is a coroutine function.
        SpoolError: the folder of the spool cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        patience: float = 30.0,
        spool: SpoolOptions | str | Path | None = None,
    ) -> None:
        if isinstance(spool, SpoolOptions) and inspect.iscoroutinefunction(spool.on_flushed):
            msg = "on_flushed is a coroutine function, which only AsyncClient can call"
            raise ValueError(msg)
        self._runtime = BlockingRuntime(*find_target(url, api_key))
        self._twin = Operations(self._runtime, timeout=timeout, patience=patience, spool=spool)
        self._twin.start()
        self._spool = Spool(self._twin.required_spool()) if spool is not None else None

    def __repr__(self) -> str:
        return f"Client({self._runtime.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def spool(self) -> Spool:
        """The spool.

        Raises:
            SpoolError: the client has none.
        """
        return self._spool or Spool(self._twin.required_spool())

    post = blocking(Operations.post)
    post_many = blocking(Operations.post_many)
    get = blocking(Operations.get)
    wait = blocking(Operations.wait)
    events = iterating(Operations.events)
    cancel = blocking(Operations.cancel)
    list_jobs = iterating(Operations.list_jobs)
    search = iterating(Operations.search)
    count = blocking(Operations.count)
    cancel_many = blocking(Operations.cancel_many)
    close = blocking(Operations.close)
