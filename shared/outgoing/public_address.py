"""Resolve a host name to addresses, and refuse those that are not public."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from typing import Final

from gristmill.shared.errors import PermanentError, TransientError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

PATIENCE: Final = 5.0  # seconds for the resolver, whose own time-outs add up to minutes
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_IPV4_BITS: Final = 0xFFFF_FFFF


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of `host`. Connect to these: another look-up might give others.

    Raises:
        TransientError: the name does not resolve, or not in time.
        PermanentError: one of the addresses is not public.
    """
    found = _look_up(host, port)
    if not allow_private:
        for address in found:
            if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                msg = f"{host} leads to {address}, which is not a public address; give a URL on the internet"
                raise PermanentError(msg, code="WEBHOOK_ADDRESS_PRIVATE")
    return found


def is_public(address: IPAddress) -> bool:
    """Return True if `address` is on the public internet; an IPv4 address inside of it counts."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & _IPV4_BITS)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:  # deprecated by RFC 3879, and private wherever they are still in use
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _look_up(host: str, port: int) -> list[str]:
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put([str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=PATIENCE)
    except queue.Empty:
        raise TransientError(f"{host} was not resolved within {PATIENCE:g} s", code="WEBHOOK_UNREACHABLE") from None
    if isinstance(answer, OSError):
        raise TransientError(f"{host} cannot be resolved: {answer}", code="WEBHOOK_UNREACHABLE") from None
    return list(dict.fromkeys(answer))
