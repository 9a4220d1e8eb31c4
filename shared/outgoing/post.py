"""Send one POST to a URL that somebody else chose, so that it can neither attack our network nor hold us up.

No redirect is followed and no proxy is used. The connection goes to an address that was checked. Time and memory are
bounded.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gristmill.shared.errors import TransientError
from gristmill.shared.outgoing.deadline import hang_up_after
from gristmill.shared.outgoing.endpoint import Endpoint
from gristmill.shared.outgoing.retry_after import read_retry_after

CONNECT_PATIENCE: Final = 3.0  # seconds for each address of the host
# Seconds for all of them, however many there are: while connecting, the deadline below has no socket to shut down.
CONNECTING: Final = 9.0
PATIENCE: Final = 10.0  # seconds for each read and write
LONGEST: Final = timedelta(seconds=15)  # for all of it; with resolving the host less than the time limit of a task
LARGEST_ANSWER: Final = 64 * 1024  # bytes that are read; the status and a few words are enough
_PIECE: Final = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of the other side.

    Attributes:
        retry_after: the wait that it asks for, at most an hour.
        body: the beginning of its body.
    """

    host: str
    status: int
    retry_after: timedelta | None
    body: bytes

    @property
    def is_good(self) -> bool:
        """True if the other side accepted the request."""
        return 200 <= self.status < 300  # noqa: PLR2004  2xx is success


def post(endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Post JSON and return the answer, whatever its status.

    Raises:
        TransientError: no connection, or no answer in time.
    """
    connection = _Connection(endpoint)
    sent = {"Content-Type": "application/json", "User-Agent": "gristmill", "Connection": "close", **headers}
    try:
        with hang_up_after(LONGEST, lambda: connection.sock):
            try:
                connection.request("POST", endpoint.path, body=body, headers=sent)
                answer = connection.getresponse()
                return Answer(
                    host=endpoint.host,
                    status=answer.status,
                    retry_after=read_retry_after(answer.headers.get("Retry-After")),
                    body=_read(answer),
                )
            finally:
                connection.close()
    except (OSError, http.client.HTTPException) as error:
        msg = f"{endpoint.host} did not take the webhook: {str(error) or type(error).__name__}"
        raise TransientError(msg, code="WEBHOOK_UNREACHABLE") from None


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Return the beginning of the body. The status is the answer, so errors while reading do not matter."""
    read = bytearray()
    with suppress(OSError, http.client.HTTPException):
        while len(read) < LARGEST_ANSWER and (piece := answer.read1(_PIECE)):
            read += piece
    return bytes(read[:LARGEST_ANSWER])


class _Connection(http.client.HTTPConnection):
    """Connects to the addresses that were checked, even if the name resolves to others by now."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=PATIENCE)
        self.endpoint = endpoint
        # The port that http.client leaves out of the Host header.
        self.default_port = 443 if endpoint.scheme == "https" else 80

    def connect(self) -> None:
        """Try each address in turn, and start TLS for the host name."""
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
    ends_at = time.monotonic() + CONNECTING
    for address in endpoint.addresses:
        if (left := ends_at - time.monotonic()) <= 0:
            break
        try:
            return socket.create_connection((address, endpoint.port), min(CONNECT_PATIENCE, left))
        except OSError as error:
            failure = error
    raise failure
