"""Refuse requests beyond a rate limit, and report the limit in the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from flask import request

from gristmill.ingress.access.rate_counters import Rate, RateCounters, RateStatus
from gristmill.ingress.errors import TooManyRequestsError
from gristmill.ingress.http.every_request import MORE_HEADERS
from gristmill.ingress.services import services

if TYPE_CHECKING:
    from gristmill.shared.producers.keys import ProducerPrincipal

View = TypeVar("View", bound=Callable[..., object])
TOO_OFTEN: Final = "Too many requests from this address; `Retry-After` says when to try again."


def limited(count: Callable[[RateCounters, str], RateStatus], counted_as: str) -> Callable[[View], View]:
    """Limit how often in a minute one address may use a route; `count` counts one request, named `counted_as`.

    The request is counted before its body is read.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def counted(*args: Any, **kwargs: Any) -> object:
            _refuse(count(services().rate_counters, _address()), counted_as)
            return view(*args, **kwargs)

        return cast("View", counted)

    return wrap


def refuse_guessing() -> None:
    """Count a wrong key.

    Raises:
        TooManyRequestsError: too many came from this address.
    """
    status = services().rate_counters.count_wrong_key(_address())
    if not status.allowed:
        _refuse(status, "wrong keys")


def count_request(principal: ProducerPrincipal, rate: float) -> None:
    """Count a request of a producer with a rate limit.

    Args:
        principal: the producer.
        rate: its limit, in requests a second.

    Raises:
        TooManyRequestsError: the limit is used up.
    """
    status = services().rate_counters.count_request(principal.producer_id, Rate(rate, principal.burst))
    _set_headers(status)
    if not status.allowed:
        msg = f"{principal.name} may make {rate:g} requests a second on average; wait {status.reset} s"
        raise TooManyRequestsError(msg)


def _refuse(status: RateStatus, counted_as: str) -> None:
    _set_headers(status)
    if not status.allowed:
        msg = f"More than {status.limit} {counted_as} a minute from this address; wait {status.reset} s"
        raise TooManyRequestsError(msg)


def _address() -> str:
    return request.remote_addr or "unknown"


def _set_headers(status: RateStatus) -> None:
    """Put the state of the limit on the answer, whatever the answer is."""
    request.environ[MORE_HEADERS] = status.headers.items()
