"""Send HTTP requests with retries: full jitter, Retry-After, and one deadline for all tries."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import httpx

from gristmill_client.errors import ApiError, UnreachableError, error_of

FIRST_PAUSE = 0.2  # seconds
LONGEST_PAUSE = 10.0  # seconds, even when Retry-After asks for more
RETRIED = frozenset({429, 500, 502, 503, 504})
_FIRST_ERROR = 400


class Pauses:
    """Exponential backoff with full jitter."""

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self._ceiling = FIRST_PAUSE
        self._longest = longest

    def next(self) -> float:
        """Return the seconds to wait."""
        pause = random.uniform(FIRST_PAUSE / 4, self._ceiling)  # noqa: S311  spread, not secrecy
        self._ceiling = min(self._longest, 2 * self._ceiling)
        return pause


class Transport:
    """Requests to one API with one key. Threads may share it."""

    def __init__(self, url: str, api_key: str, *, timeout: float, patience: float) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._patience = patience
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}", "User-Agent": "gristmill-client/0.1.0"},
            timeout=timeout,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """Send a request, retry it while that may help, and return the successful answer.

        Only for requests that are harmless to repeat: those that create something carry an idempotency key.

        Args:
            patience: seconds for all tries; by default the client's.
            timeout: seconds without a byte after which one try is abandoned; by default the client's.

        Raises:
            UnreachableError: no answer in time.
            ApiError: the API refused the request, or was unavailable until the patience ended.
        """
        deadline = time.monotonic() + (self._patience if patience is None else patience)
        pauses = Pauses()
        while True:
            retry_after = 0.0
            try:
                answer = self.http.request(
                    method,
                    path,
                    json=json,
                    params=params,
                    headers=headers,
                    timeout=self._timeout if timeout is None else timeout,
                )
            except httpx.TransportError as error:
                problem: ApiError | UnreachableError = UnreachableError(
                    f"{self.url} did not answer ({type(error).__name__}: {error})"
                )
                problem.__cause__ = error
            else:
                if answer.status_code < _FIRST_ERROR:
                    return answer
                problem = error_of(answer.status_code, _json(answer))
                if answer.status_code not in RETRIED:
                    raise problem
                retry_after = _seconds(answer.headers.get("Retry-After"))
            pause = max(pauses.next(), min(retry_after, LONGEST_PAUSE))
            if time.monotonic() + pause > deadline:
                raise problem
            time.sleep(pause)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


def never_arrived(error: BaseException) -> bool:
    """Return True when the request of this error has certainly not reached the API."""
    return isinstance(error.__cause__, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0  # a date: the backoff is used instead
