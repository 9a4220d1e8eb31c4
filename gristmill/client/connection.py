"""Send requests with retries and one deadline for all tries."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import httpx

from gristmill.client.retries import Problem, Tries, no_answer, read_answer
from gristmill.client.runtime import Request, Runtime


class Connection:
    """Requests to one API with one key.

    Args:
        timeout: seconds without a byte after which one try is abandoned.
        patience: seconds for all tries of a request.

    Raises:
        ValueError: a time is not positive.
    """

    def __init__(self, runtime: Runtime, *, timeout: float, patience: float) -> None:
        if timeout <= 0 or patience <= 0:
            msg = f"timeout ({timeout:g}) and patience ({patience:g}) are seconds, more than 0"
            raise ValueError(msg)
        self.runtime = runtime
        self.timeout = timeout
        self.patience = patience

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  of one try, and the same in both clients
    ) -> Any:
        """Send a request, retry it while that may help, and return the JSON of the successful answer.

        Only for requests that are harmless to repeat: those that create something carry an idempotency key.

        Args:
            body: the value to send as JSON.
            patience: seconds for all tries; by default the client's.
            timeout: seconds without a byte after which one try is abandoned; by default the client's.

        Raises:
            UnreachableError: no answer in time.
            ApiError: the API refused the request, or was unavailable until the patience ended.
        """
        deadline = time.monotonic() + (patience or self.patience)
        request = Request(method, path, deadline, timeout or self.timeout, body, params, headers)
        tries = Tries(deadline)
        while isinstance(result := await self._try(request), Problem):
            pause = tries.add(result)
            if pause is None:
                raise tries.error
            await self.runtime.sleep(pause)
        return result

    async def _try(self, request: Request) -> Any | Problem:
        is_cut = request.seconds_left < request.silence
        try:
            return read_answer(self.runtime.url, await self.runtime.send(request))
        except httpx.RequestError as error:
            return no_answer(self.runtime.url, error, is_cut=is_cut)


def find_target(url: str | None, api_key: str | None) -> tuple[str, str]:
    """Return the URL and the key, from the environment where they are not given.

    Raises:
        ValueError: one is missing, or the URL is none.
    """
    url = url or os.environ.get("GRISTMILL_URL")
    api_key = api_key or os.environ.get("GRISTMILL_API_KEY")
    if not url or not api_key:
        msg = "Give url and api_key, or set GRISTMILL_URL and GRISTMILL_API_KEY"
        raise ValueError(msg)
    if not url.startswith(("http://", "https://")):
        msg = f"The URL {url!r} begins with neither http:// nor https://: give it as in https://jobs.example.com"
        raise ValueError(msg)
    return url, api_key
