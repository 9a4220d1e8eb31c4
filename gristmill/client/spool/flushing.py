"""Send the jobs of a spool, as far as the API accepts them, and tell of the outcomes."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gristmill.client.errors import ApiError, ClientError, InvalidError, TooManyError, UnavailableError
from gristmill.client.jobs import Job
from gristmill.client.runtime import Runtime
from gristmill.client.spool import queries
from gristmill.client.spool.file import SpoolFile
from gristmill.client.spool.folder import SpoolFolder
from gristmill.client.spool.options import OnFlushed, SpoolOptions
from gristmill.client.spool.records import Entry, Flushed, Spooled

SPOOL_BATCH: Final = 100  # spooled jobs sent by one request
Send = Callable[[Sequence[Mapping[str, Any]]], Awaitable[Sequence[Job | ApiError]]]
_log: Final = logging.getLogger("gristmill.client")


@dataclass(frozen=True)
class Later:
    """The result of a job that is to be sent again, since the error may pass."""

    error: ClientError


Result = Job | ClientError | Later


class Flusher:
    """Empties a spool; one process at a time does, since the order and the keys are its own then.

    Args:
        send: sends the bodies of jobs in one request, and returns the job or the error of each.
    """

    def __init__(
        self, runtime: Runtime, folder: SpoolFolder, file: SpoolFile, options: SpoolOptions, send: Send
    ) -> None:
        self._runtime = runtime
        self._folder = folder
        self._file = file
        self._options = options
        self._send = send

    async def flush(self) -> Flushed:
        """Send the jobs of the spool until it is empty or the API cannot be reached."""
        sent = refused = 0
        error: ClientError | None = None
        with self._folder.flushing() as mine:  # never waits
            while mine and error is None:
                batch = await self._runtime.call(lambda: queries.take(self._file, self._options, SPOOL_BATCH))
                accepted, wrong, error = await self._send_batch(batch.entries)
                sent, refused = sent + accepted, refused + wrong + batch.unsure
                await self._tell()
                if not batch.entries:
                    break
        left = await self._runtime.call(lambda: queries.count(self._file))
        return Flushed(sent, refused, left, error)

    async def _send_batch(self, entries: Sequence[Entry]) -> tuple[int, int, ClientError | None]:
        """Send jobs and record what became of them: the numbers accepted and refused, and why the others were not."""
        results = await self._send_entries(entries) if entries else []
        accepted = [(entry, result) for entry, result in results if isinstance(result, Job)]
        later = [(entry, result) for entry, result in results if isinstance(result, Later)]
        wrong = [(entry, result) for entry, result in results if not isinstance(result, (Job, Later))]
        await self._runtime.call(lambda: queries.settle(self._file, self._options, accepted, wrong))
        untried = [entry for entry, result in later if not result.error.may_have_arrived]
        await self._runtime.call(lambda: queries.forget_try(self._file, untried))
        return len(accepted), len(wrong), later[0][1].error if later else None

    async def _send_entries(self, entries: Sequence[Entry]) -> list[tuple[Entry, Result]]:
        """Send jobs in one request; when all of it is refused (as too large, for example), in two smaller ones."""
        bodies = [{**entry.body, "idempotency_key": entry.key} for entry in entries]
        try:
            results = [_of_one(result) for result in await self._send(bodies)]
        except ClientError as error:
            if not _is_refusal(error):
                return [(entry, Later(error)) for entry in entries]
            if len(entries) > 1:
                half = len(entries) // 2
                return await self._send_entries(entries[:half]) + await self._send_entries(entries[half:])
            return [(entries[0], error)]
        return list(zip(entries, results, strict=True))

    async def _tell(self) -> None:
        """Call `on_flushed` for each outcome that it was not told of."""
        if self._options.on_flushed is None:
            return
        while outcomes := await self._runtime.call(lambda: queries.list_untold(self._file, SPOOL_BATCH)):
            told = [outcome.key for outcome in outcomes if await self._tell_of(outcome, self._options.on_flushed)]
            await self._runtime.call(partial(queries.mark_told, self._file, told))
            if len(told) < len(outcomes):
                return

    async def _tell_of(self, outcome: Spooled, on_flushed: OnFlushed) -> bool:
        try:
            result = on_flushed(outcome)
            if inspect.isawaitable(result):
                await result
        except Exception:  # noqa: BLE001  it is the caller's code: whatever it raises must not stop the flush
            _log.exception("on_flushed failed for the job %s, and is called again at the next flush", outcome.key)
            return False
        return True


def _of_one(result: Job | ApiError) -> Result:
    """Return the result of one job; a quota or an outage may be gone at the next try."""
    return Later(result) if isinstance(result, (TooManyError, UnavailableError)) else result


def _is_refusal(error: ClientError) -> bool:
    """Return True when the API itself refused a request for what stands in it.

    Any other error of a whole request may be gone at the next try: a wrong key can be replaced, a missing scope given,
    the page of a proxy is not from the API. The jobs are valid.
    """
    return isinstance(error, InvalidError) and error.is_from_api
