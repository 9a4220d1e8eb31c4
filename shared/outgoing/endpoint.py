"""Parse a URL that somebody else chose, resolve its host once, and refuse one that leads into our own network."""

from __future__ import annotations

import ipaddress
import socket
import string
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from gristmill.shared.errors import PermanentError
from gristmill.shared.outgoing.public_address import is_public, resolve

INVALID: Final = "WEBHOOK_URL_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The parts of a URL to post to, with the addresses that were checked."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: list[str]

    @classmethod
    def find(cls, url: str, *, allow_private: bool, allow_http: bool = True) -> Endpoint:
        """Parse `url` and resolve its host.

        Raises:
            TransientError: the host does not resolve now.
            PermanentError: it is not a URL to post to, or leads to an address that is not public.
        """
        try:
            parts = urlsplit(url)
            host, port = _ascii_host(parts), parts.port
        except ValueError:  # UnicodeError is one
            raise PermanentError("The URL cannot be read; give another", code=INVALID) from None
        problem = url_problem(parts, allow_private=True, allow_http=allow_http)  # resolving tells about addresses
        if problem is not None:
            raise PermanentError(f"The URL {problem}", code=INVALID)
        port = port or (443 if parts.scheme == "https" else 80)
        path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=string.punctuation)
        addresses = resolve(host, port, allow_private=allow_private)
        return cls(scheme=parts.scheme, host=host, port=port, path=path, addresses=addresses)


def url_problem(parts: SplitResult, *, allow_private: bool, allow_http: bool) -> str | None:
    """Return why a URL must not be posted to, as far as its text tells; None when resolving the host has to tell."""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return "must be http:// or https:// with a host, and hold no user or password"
    if parts.scheme == "http" and not allow_http:
        return "must begin with https:// (an operator may allow http:// with GRISTMILL_ALLOW_HTTP_CALLBACKS)"
    try:
        host = _ascii_host(parts)
    except UnicodeError:
        return "names a host that cannot be looked up"
    if not allow_private and is_private_host(host):
        return "leads into a private network; give a host on the internet"
    return None


def _ascii_host(parts: SplitResult) -> str:
    """Return the host as the resolver takes it: an internationalized name in its ASCII form."""
    return (parts.hostname or "").encode("idna").decode()


def is_private_host(host: str) -> bool:
    """Return True if a host, by its text alone, is this machine or an address that is not public."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return not is_public(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return not is_public(ipaddress.IPv4Address(socket.inet_aton(name)))  # 127.1, 0x7f.1, 2130706433
    except OSError:
        return False
