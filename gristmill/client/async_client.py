"""The client for programs on asyncio."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from gristmill.client.asynchronous import AsyncioRuntime
from gristmill.client.connection import find_target
from gristmill.client.operations import Operations
from gristmill.client.spool.async_spool import AsyncSpool
from gristmill.client.spool.options import SpoolOptions


class AsyncClient(Operations):
    """A producer's client for one Gristmill, on asyncio. The tasks of one event loop may share it.

    Its methods, errors, retries and deadlines are those of `Client`: both are made from the same code.

    Args:
        url: the URL of the API; by default the environment variable `GRISTMILL_URL`.
        api_key: by default `GRISTMILL_API_KEY`. It appears in no repr and no error.
        timeout: seconds without a byte after which one try of a request is abandoned.
        patience: seconds for all tries of a request.
        spool: a folder for jobs that are posted while the API is unreachable, or `SpoolOptions`. They are sent later,
            once, in order.

    Raises:
        ValueError: there is no URL or no key, or a time is not positive.
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
        runtime = AsyncioRuntime(*find_target(url, api_key))
        super().__init__(runtime, timeout=timeout, patience=patience, spool=spool)

    def __repr__(self) -> str:
        return f"AsyncClient({self._connection.runtime.url!r})"

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def spool(self) -> AsyncSpool:
        """The spool.

        Raises:
            SpoolError: the client has none.
        """
        return self.required_spool()
