"""The spool of a client: keep jobs while the API is unreachable, send them later, and find them by their keys."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gristmill.client.body import plain
from gristmill.client.connection import Connection
from gristmill.client.errors import ClientError
from gristmill.client.jobs import Job
from gristmill.client.spool import queries
from gristmill.client.spool.file import SpoolFile
from gristmill.client.spool.flushing import Flusher, Send
from gristmill.client.spool.folder import SpoolFolder
from gristmill.client.spool.options import SpoolOptions
from gristmill.client.spool.records import Flushed, Spooled
from gristmill.client.spool.secret_args import read_secret_args

TASKS: Final = "/api/v1/tasks"
LEARN_EVERY: Final = 3600.0  # seconds after which the API is asked again for the secret arguments
LEARN_AGAIN: Final = 60.0  # seconds after which it is asked again when it did not answer
LEARN_PATIENCE: Final = 2.0  # seconds that one question may take
_log: Final = logging.getLogger("gristmill.client")


class AsyncSpool:
    """The spool of an `AsyncClient`, as `client.spool`. Its methods are those of `Client.spool`."""

    def __init__(self, connection: Connection, options: SpoolOptions, send: Send) -> None:
        self._connection = connection
        self._runtime = connection.runtime
        self._options = options
        self._folder = SpoolFolder(options.folder)
        self._file = SpoolFile(self._folder.file)
        self._flusher = Flusher(self._runtime, self._folder, self._file, options, send)
        self._learn_at = 0.0  # by time.monotonic()

    # For everybody.

    async def find(self, key: str) -> Spooled | None:
        """Return a job that is or was in the spool, by its idempotency key; None if there is none.

        A job that was accepted has its id in `.job`, and is found for `SpoolOptions.retention`. One that was refused
        has its `.error`, and is found until you call `forget`.

        Args:
            key: `Job.idempotency_key`, which is the `idempotency_key` that you passed to `post`, if you did.

        Raises:
            SpoolError: the file cannot be used.
        """
        return await self._runtime.call(lambda: queries.find(self._file, key))

    async def count(self) -> int:
        """Return the number of jobs that are to be sent.

        Raises:
            SpoolError: the file cannot be used.
        """
        return await self._runtime.call(lambda: queries.count(self._file))

    async def refused(self) -> list[Spooled]:
        """Return the jobs that the API refused, oldest first: correct them, post them again, then call `forget`.

        Jobs are among them that were sent without an answer so long ago that their keys have expired: their error is an
        `UnsureError`. Refused jobs count for the limits of the spool.

        Raises:
            SpoolError: the file cannot be used.
        """
        return await self._runtime.call(lambda: queries.list_refused(self._file))

    async def forget(self, key: str) -> bool:
        """Delete a refused job, by its idempotency key, and return False if there is none.

        Raises:
            SpoolError: the file cannot be used.
        """
        return await self._runtime.call(lambda: queries.forget(self._file, key))

    async def flush(self) -> Flushed:
        """Send the jobs of the spool now, in order, as far as the API accepts them.

        It does nothing while another program that shares the folder is sending them.

        Raises:
            SpoolError: the file cannot be used.
        """
        await self.learn_secret_args()
        return await self._flusher.flush()

    # For the client.

    def start(self) -> None:
        """Start to flush at intervals, unless that runs or is not wanted."""
        if self._options.flush_every > 0:
            self._runtime.start(self._keep_flushing)

    async def _keep_flushing(self) -> None:
        while not await self._runtime.wait_for_close(self._options.flush_every):
            try:
                await self.flush()
            except ClientError as error:
                _log.warning("The spool is not flushed: %s", error)
            except Exception:  # noqa: BLE001  a thread that ended would flush no more
                _log.exception("The spool is not flushed")

    async def look(self, body: Mapping[str, Any]) -> tuple[int, list[str]]:
        """Return the number of jobs to be sent, and the names of the secret arguments in this one."""
        task, args = body["task"], body["args"]
        given = set(self._options.secret_args.get(task, ()))

        def read() -> tuple[int, set[str]]:
            return queries.count(self._file), given | queries.find_secret_args(self._file, task)

        number, secret = await self._runtime.call(read)
        return number, sorted(secret & args.keys())

    async def keep(self, body: dict[str, Any], key: str, *, tried: bool) -> Job:
        """Store a job.

        Args:
            tried: the job was sent without an answer, so the API may have accepted it.

        Raises:
            SpoolError: it cannot be stored.
        """
        digest = hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()
        if not tried and "delay" in body:  # a delay counts from now; the body of a job that was tried must not change
            due = datetime.now(UTC) + timedelta(seconds=body["delay"])
            body = {name: value for name, value in body.items() if name != "delay"} | {"run_at": plain(due)}
        return await self._runtime.call(
            lambda: queries.add(self._file, self._options, key, body, digest=digest, tried=tried)
        )

    async def learn_secret_args(self) -> None:
        """Ask the API which arguments are secret, at most once an hour; without an answer, what was known stays."""
        if time.monotonic() < self._learn_at:
            return
        self._learn_at = time.monotonic() + LEARN_AGAIN
        age = await self._runtime.call(lambda: queries.find_age_of_secret_args(self._file))
        if age is None or not 0 <= age < LEARN_EVERY:
            with suppress(ClientError):
                answer = await self._connection.request("GET", TASKS, patience=LEARN_PATIENCE)
                await self._runtime.call(lambda: queries.replace_secret_args(self._file, read_secret_args(answer)))

    async def close_file(self) -> None:
        """Close the file."""
        await self._runtime.call(self._file.close)
