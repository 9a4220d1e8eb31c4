"""Send the jobs of the spool, as far as the API accepts them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from gristmill_client.errors import (
    ApiError,
    ClientError,
    InvalidError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from gristmill_client.jobs import Job
from gristmill_client.spool import Entry, Flushed, Spool
from gristmill_client.transport import never_arrived

SPOOL_BATCH: Final = 100  # spooled jobs sent by one request
SPOOL_HOLD: Final = 120.0  # seconds that one process may take to send them; more than its patience
# Errors that may be gone at the next try. A wrong key is one of them: it can be replaced, and the jobs are valid.
_LATER: Final = (TooManyError, UnavailableError, UnreachableError, UnauthorizedError)


class Flusher:
    """Empties a spool: on request, and at intervals in a thread of its own.

    Args:
        send: sends the bodies of jobs in one request, and returns the job or the error of each.
        every: seconds between two tries; 0 starts no thread.
    """

    def __init__(
        self, spool: Spool, send: Callable[[Sequence[Mapping[str, Any]]], Sequence[Job | ApiError]], *, every: float
    ) -> None:
        self._spool = spool
        self._send = send
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if every > 0:
            self._thread = threading.Thread(
                target=self._keep_flushing, args=(every,), name="gristmill-spool", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """End the thread after the request that it is sending."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(SPOOL_HOLD)

    def flush(self) -> Flushed:
        """Send the jobs of the spool. Any process that shares the file may call it."""
        sent = refused = 0
        while entries := self._spool.take(SPOOL_BATCH, hold=SPOOL_HOLD):
            results = self._send_entries(entries)
            accepted = [entry for entry, result in results if isinstance(result, Job)]
            wrong = [(entry, str(result)) for entry, result in results if not isinstance(result, (Job, *_LATER))]
            later = [(entry, result) for entry, result in results if isinstance(result, _LATER)]
            self._spool.settle(accepted, wrong)
            sent, refused = sent + len(accepted), refused + len(wrong)
            for entry, result in later:
                self._spool.give_back([entry], never_sent=isinstance(result, ApiError) or never_arrived(result))
            if later:
                break
        return Flushed(sent, refused, self._spool.count())

    def _send_entries(self, entries: Sequence[Entry]) -> list[tuple[Entry, Job | ClientError]]:
        """Send jobs in one request; when all of it is refused (as too large, for example), in two smaller ones."""
        bodies = [{**entry.body, "idempotency_key": entry.idempotency_key} for entry in entries]
        try:
            results: Sequence[Job | ClientError] = self._send(bodies)
        except InvalidError as error:
            if len(entries) > 1:
                half = len(entries) // 2
                return self._send_entries(entries[:half]) + self._send_entries(entries[half:])
            results = [error]
        except ClientError as error:
            results = [error] * len(entries)
        return list(zip(entries, results, strict=True))

    def _keep_flushing(self, every: float) -> None:
        while not self._closing.wait(every):
            with suppress(ClientError):  # the jobs stay, and `flush()` raises the error
                if self._spool.count():
                    self.flush()
