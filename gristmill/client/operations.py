"""All methods of a client, over whatever runtime waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gristmill.client.connection import Connection
from gristmill.client.errors import SpoolError
from gristmill.client.filtering import Filtering
from gristmill.client.following import Following
from gristmill.client.posting import Posting
from gristmill.client.runtime import Runtime
from gristmill.client.spool.async_spool import AsyncSpool
from gristmill.client.spool.options import SpoolOptions

CLOSE_PATIENCE: Final = 30.0  # seconds for the request that the spool is sending, with its retries


class Operations(Posting, Following, Filtering):
    """The methods that `AsyncClient` has, and from which those of `Client` are made."""

    def __init__(
        self, runtime: Runtime, *, timeout: float, patience: float, spool: SpoolOptions | str | Path | None
    ) -> None:
        self._connection = Connection(runtime, timeout=timeout, patience=patience)
        self._spool = None
        if spool is not None:
            options = spool if isinstance(spool, SpoolOptions) else SpoolOptions(spool)
            self._spool = AsyncSpool(self._connection, options, self._send_spooled)

    def required_spool(self) -> AsyncSpool:
        """Return the spool.

        Raises:
            SpoolError: the client has none.
        """
        if self._spool is None:
            msg = 'This client has no spool: pass spool="a-folder" when you make it'
            raise SpoolError(msg)
        return self._spool

    def start(self) -> None:
        """Start to flush the spool at intervals, if there is one."""
        if self._spool is not None:
            self._spool.start()

    async def close(self) -> None:
        """Close the connections and the spool; its jobs stay in its folder."""
        await self._connection.runtime.close(CLOSE_PATIENCE)
        if self._spool is not None:
            await self._spool.close_file()
