"""A mail server in this process, which keeps what it is given: mails are really submitted, by SMTP on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gristmill.ports import LOOPBACK
from gristmill.services.mailcatcher import Mailbox, listen

_PATIENCE = 10.0  # seconds until the thread has started or ended


@contextmanager
def mail_server(mailbox: Mailbox) -> Iterator[str]:
    """Catch mail into `mailbox` until the block ends, and yield the URL of the server.

    Raises:
        OSError: no port of loopback is free.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mail server", daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(listen(mailbox, LOOPBACK, 0), loop).result(_PATIENCE)
        yield f"smtp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(_PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)
