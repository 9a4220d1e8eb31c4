"""The spool of the blocking client: its methods are made from those of `AsyncSpool`."""

from __future__ import annotations

from gristmill.client.blocking import Blocking, blocking
from gristmill.client.spool.async_spool import AsyncSpool


class Spool(Blocking[AsyncSpool]):
    """The spool of a `Client`, as `client.spool`."""

    def __init__(self, spool: AsyncSpool) -> None:
        self._twin = spool

    find = blocking(AsyncSpool.find)
    count = blocking(AsyncSpool.count)
    refused = blocking(AsyncSpool.refused)
    forget = blocking(AsyncSpool.forget)
    flush = blocking(AsyncSpool.flush)
