"""Speak to the HTTP API of a platform elsewhere: requests with retries, errors as sentences, and streams of events."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx

from gristmill import __version__
from gristmill.backends.address import Address
from gristmill.backends.operations import OPERATIONS, Operation
from gristmill.shared.errors import (
    ConflictError,
    ForbiddenError,
    GristmillError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
)

PREFIX: Final = "/api/v1"
PATIENCE: Final = 30.0  # seconds for all tries of a request that is answered with "later"
CONNECT_PATIENCE: Final = 5.0  # seconds for all tries of one that is not answered
STREAM_PATIENCE: Final = 60.0  # seconds without an answer after which a job is no longer followed
SECONDS: Final = 60.0  # without a byte, after which one try is abandoned: bulk work takes up to 15
_HEARTBEAT: Final = 20.0  # the server sends a comment each 5 seconds
_LONGEST_PAUSE: Final = 10.0
_NOT_DONE: Final = frozenset({429, 503})
_LATER: Final = _NOT_DONE | {502, 504}  # of a proxy, which does not know
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_KINDS: Final[dict[int, type[GristmillError]]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
}
END_KINDS: Final = frozenset({"job.succeeded", "job.dead", "job.cancelled"})


class UnreachableError(GristmillError):
    """The API gave no answer that is one of Gristmill."""

    code = "API_UNREACHABLE_001"


class HttpBackend:
    """The API at an address.

    Args:
        address: of the API, with the key.
        patience: seconds for all tries of a request.
    """

    def __init__(self, address: Address, *, patience: float = PATIENCE) -> None:
        self._address = address
        self._patience = patience
        self._ahead: float | None = None  # seconds that the server's clock is ahead of ours
        self._http = httpx.Client(
            base_url=address.url.rstrip("/") + PREFIX,
            headers={"Authorization": f"Bearer {address.key}", "User-Agent": f"gristmill/{__version__}"},
            timeout=min(SECONDS, 2 * patience),
            trust_env=urlsplit(address.url).hostname not in _LOOPBACK,  # proxies do not lead to this machine
        )

    @property
    def title(self) -> str:
        """The URL of the API."""
        return self._address.url

    def ask(self, operation: str, body: Mapping[str, Any] | None = None, **names: str | UUID) -> Any:
        return self.ask_status(operation, body, **names)[1]

    def ask_status(self, operation: str, body: Mapping[str, Any] | None = None, **names: str | UUID) -> tuple[int, Any]:
        wanted = OPERATIONS[operation]
        request = self._request(wanted, wanted.path_for(names), body)
        answer = self._send(request, repeatable=wanted.repeatable)
        return answer.status_code, None if answer.status_code == httpx.codes.NO_CONTENT else answer.json()

    def follow(self, job_id: UUID) -> Iterator[dict[str, Any] | None]:
        last: str | None = None
        pauses = _Pauses()
        ends_at = time.monotonic() + STREAM_PATIENCE
        while True:
            problem: GristmillError | None = None
            try:
                for event in self._stream(job_id, last):
                    ends_at, pauses = time.monotonic() + STREAM_PATIENCE, _Pauses()
                    yield event
                    if event is not None:
                        last = event["id"]
                        if event["event"] in END_KINDS:
                            return
            except httpx.TransportError as error:
                problem = self._no_answer(error)
            except _LaterError as error:
                problem = error.refusal
            if time.monotonic() > ends_at and problem is not None:
                raise problem
            yield None
            time.sleep(pauses.next())

    def clock(self) -> datetime:
        now = datetime.now(UTC)
        return now if self._ahead is None else datetime.fromtimestamp(now.timestamp() + self._ahead, UTC)

    def close(self) -> None:
        self._http.close()

    def _request(self, wanted: Operation, path: str, body: Mapping[str, Any] | None) -> httpx.Request:
        if wanted.method == "GET":
            return self._http.build_request("GET", path, params=dict(body or {}))
        headers = {"Idempotency-Key": uuid4().hex} if path == "/jobs" else {}
        return self._http.build_request(wanted.method, path, json=dict(body or {}), headers=headers)

    def _send(self, request: httpx.Request, *, repeatable: bool) -> httpx.Response:
        """Send a request until it is answered, within the patience; again only what is harmless or was not done."""
        began = time.monotonic()
        ends_at = began + self._patience
        pauses = _Pauses()
        while True:
            wait = pauses.next()
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                arrived = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
                over = time.monotonic() + wait > min(ends_at, began + CONNECT_PATIENCE)
                if over or (arrived and not repeatable):
                    raise self._no_answer(error, unsure=arrived and not repeatable) from error
            else:
                self._read_clock(answer)
                if answer.is_success:
                    return self._checked(answer)
                wait = max(wait, min(_LONGEST_PAUSE, _seconds(answer.headers.get("Retry-After"))))
                again = answer.status_code in (_LATER if repeatable else _NOT_DONE)
                if not again or time.monotonic() + wait > ends_at:
                    raise self._refusal(answer)
            time.sleep(wait)

    def _stream(self, job_id: UUID, last: str | None) -> Iterator[dict[str, Any] | None]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        with self._http.stream("GET", f"/jobs/{job_id}/events", headers=headers, timeout=_HEARTBEAT) as answer:
            if not answer.is_success:
                answer.read()
                refusal = self._refusal(answer)
                raise _LaterError(refusal) if answer.status_code in _LATER else refusal
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(":")
                if line and name:
                    fields[name] = value.removeprefix(" ")
                elif not line and "data" in fields:
                    yield {"id": fields["id"], "event": fields["event"], "data": json.loads(fields["data"])}
                    fields = {}
                elif line:
                    yield None  # a comment, which says that the server is still there

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        json_type = answer.headers.get("Content-Type", "").startswith("application/json")
        if answer.status_code != httpx.codes.NO_CONTENT and not json_type:
            raise self._foreign(answer)
        return answer

    def _refusal(self, answer: httpx.Response) -> GristmillError:
        """Return the error for an answer that is not a success."""
        try:
            told = answer.json()["error"]
            message, details = str(told["message"]), dict(told.get("details") or {})
        except (ValueError, TypeError, KeyError):
            return self._foreign(answer)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            message = f"{self._address.url} refuses the key of {self._address.key_origin}: {message}"
        if answer.status_code == httpx.codes.FORBIDDEN:
            message = f"{message} (the key is that of {self._address.key_origin})"
            details.pop("missing_scope", None)  # the message names it
        if told.get("request_id"):
            details["request id"] = told["request_id"]
        return _KINDS.get(answer.status_code, GristmillError)(message, details)

    def _foreign(self, answer: httpx.Response) -> GristmillError:
        kind = answer.headers.get("Content-Type", "no content").partition(";")[0]
        msg = f"{self._address.url} answers {answer.status_code} ({kind}), and not as Gristmill does"
        if answer.status_code in _LATER:
            return UnreachableError(f"{msg}: a proxy in front of it may have lost it; try again")
        return UnreachableError(f"{msg}: check {self._address.origin}")

    def _no_answer(self, error: httpx.TransportError, *, unsure: bool = False) -> GristmillError:
        reason = str(error) or type(error).__name__
        cure = f"check {self._address.origin}, and that `gristmill web` runs there"
        msg = f"{self._address.url} does not answer ({reason}): {cure}"
        doubt = "\nIt may have been done all the same: look before you repeat it"
        return UnreachableError(f"{msg}{doubt if unsure else ''}")

    def _read_clock(self, answer: httpx.Response) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"])
        except (KeyError, ValueError):
            return
        ahead = theirs.timestamp() - time.time()
        self._ahead = ahead if abs(ahead) > 1 else 0.0  # the header has whole seconds


class _LaterError(Exception):
    """The API cannot stream right now."""

    def __init__(self, refusal: GristmillError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class _Pauses:
    """Exponential backoff with full jitter."""

    def __init__(self) -> None:
        self._ceiling = 0.2

    def next(self) -> float:
        """Return the seconds to wait."""
        pause = random.uniform(0.05, self._ceiling)  # noqa: S311  spread, not secrecy
        self._ceiling = min(_LONGEST_PAUSE, 2 * self._ceiling)
        return pause


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0  # a date: the backoff is used instead
