"""The webhook channel: one POST to a URL of the producer's choice, that cannot be turned against our own network."""

from __future__ import annotations

import http.client
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import orjson

from shared.errors import PermanentError, TransientError
from tasks.channels.channel import Notice
from tasks.channels.public_address import resolve
from tasks.channels.retry_after import read_retry_after
from tasks.deadline import hang_up_after

if TYPE_CHECKING:
    from shared.settings import Settings

CONNECT_PATIENCE: Final = 3.0  # seconds for each address of the host
PATIENCE: Final = 10.0  # seconds for each read and write
LONGEST: Final = timedelta(seconds=15)  # for all of it; with the look-up shorter than the limit of notification.send
LARGEST_ANSWER: Final = 64 * 1024  # bytes that are read; nobody needs more than the status
_AGAIN: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL taken apart, with the addresses that were checked."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: list[str]

    @classmethod
    def find(cls, url: str, *, allow_private: bool) -> Endpoint:
        """Read `url` and look its host up.

        Raises:
            TransientError: the host does not resolve now.
            PermanentError: it is not a URL to post to, or leads to an address that is not public.
        """
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        except ValueError:  # UnicodeError is one
            raise PermanentError("webhook_url is not a URL", code="WEBHOOK_URL_INVALID") from None
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            msg = "webhook_url must be http:// or https:// with a host, and hold no user or password"
            raise PermanentError(msg, code="WEBHOOK_URL_INVALID")
        port = port or (443 if parts.scheme == "https" else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        addresses = resolve(host, port, allow_private=allow_private)
        return cls(scheme=parts.scheme, host=host, port=port, path=path, addresses=addresses)


class _Connection(http.client.HTTPConnection):
    """Connects to the addresses that were checked, whatever the name would resolve to by now."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=PATIENCE)
        self.endpoint = endpoint
        # What http.client leaves out of the Host header.
        self.default_port = 443 if endpoint.scheme == "https" else 80

    def connect(self) -> None:
        """Try each address in turn, and put TLS on the connection for the name."""
        self.sock = _connect(self.endpoint)
        self.sock.settimeout(PATIENCE)
        if self.endpoint.scheme == "https":
            self.sock = ssl.create_default_context().wrap_socket(
                self.sock,
                server_hostname=self.endpoint.host,
                do_handshake_on_connect=False,  # below, when the deadline can already reach the new socket
            )
            self.sock.do_handshake()


def _connect(endpoint: Endpoint) -> socket.socket:
    failure = OSError(f"{endpoint.host} has no address")
    for address in endpoint.addresses:
        try:
            return socket.create_connection((address, endpoint.port), CONNECT_PATIENCE)
        except OSError as error:
            failure = error
    raise failure


class Webhook:
    """Posts the notice as JSON. It follows no redirect and keeps nothing of the answer but its status."""

    name = "webhook"
    needs = "webhook_url"

    def target(self, notice: Notice) -> str | None:
        """Return the URL without its query, which may hold a token."""
        return (notice.webhook_url or "").partition("?")[0]

    def deliver(self, notice: Notice, settings: Settings) -> str:
        """Post the notice; 2xx is delivered.

        Raises:
            TransientError: no connection, no answer in time, or 408, 425, 429 or 5xx; `Retry-After` is honoured.
            PermanentError: any other answer, or a URL that must not be posted to.
        """
        endpoint = Endpoint.find(notice.webhook_url or "", allow_private=settings.allow_private_webhooks)
        content = {
            "id": notice.id,
            "type": "notification",
            "title": notice.title,
            "body": notice.body,
            "data": notice.data,
        }
        body = orjson.dumps(content)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "gristmill",
            "Idempotency-Key": str(notice.id),
            # Standard Webhooks names the message so; a signature over id, time and body goes here beside it.
            "webhook-id": str(notice.id),
            "Connection": "close",
        }
        try:
            status, retry_after = _post(endpoint, body, headers)
        except (OSError, http.client.HTTPException) as error:
            msg = f"{endpoint.host} did not take the webhook: {str(error) or type(error).__name__}"
            raise TransientError(msg, code="WEBHOOK_UNREACHABLE") from None
        answer = f"HTTP {status}"
        if 200 <= status < 300:  # noqa: PLR2004  2xx is success
            return answer
        msg = f"{endpoint.host} answered the webhook with {answer}"
        if status in _AGAIN or status >= _SERVER_ERROR:
            raise TransientError(msg, code="WEBHOOK_DEFERRED", retry_after=read_retry_after(retry_after))
        raise PermanentError(f"{msg}; give a URL that answers 2xx (redirects are not followed)", code="WEBHOOK_REFUSED")


def _post(endpoint: Endpoint, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
    connection = _Connection(endpoint)
    with hang_up_after(LONGEST, lambda: connection.sock):
        try:
            connection.request("POST", endpoint.path, body=body, headers=headers)
            answer = connection.getresponse()
            with suppress(OSError, http.client.HTTPException):  # the status is the answer, whatever becomes of the rest
                answer.read(LARGEST_ANSWER)
            return answer.status, answer.headers.get("Retry-After")
        finally:
            connection.close()
