"""Refuse who asks too often, and tell everybody whom a limit concerns where they stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from flask import request

from gristmill.ingress.access.rate_counters import Limits, Rate, Standing
from gristmill.ingress.errors import TooManyRequestsError
from gristmill.ingress.http.every_request import MORE_HEADERS
from gristmill.ingress.services import services

if TYPE_CHECKING:
    from gristmill.shared.producers.keys import ProducerPrincipal

View = TypeVar("View", bound=Callable[..., object])
TOO_OFTEN: Final = "Too often from this address; `Retry-After` says when to try again."


def limited(count: Callable[[Limits, str], Standing], what: str) -> Callable[[View], View]:
    """Let one address use a route so often in a minute; it is counted before the body is read.

    Args:
        count: counts one request of an address.
        what: is counted, as a plural.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def counted(*args: Any, **kwargs: Any) -> object:
            _refuse(count(services().limits, _address()), what)
            return view(*args, **kwargs)

        return cast("View", counted)

    return wrap


def refuse_guessing() -> None:
    """Count a wrong key.

    Raises:
        TooManyRequestsError: too many came from this address.
    """
    standing = services().limits.count_wrong_key(_address())
    if not standing.allowed:
        _refuse(standing, "wrong keys")


def count_request(principal: ProducerPrincipal, rate: float) -> None:
    """Count a request of a producer that has a rate.

    Raises:
        TooManyRequestsError: it is used up.
    """
    standing = services().limits.count_request(principal.producer_id, Rate(rate, principal.burst))
    _tell(standing)
    if not standing.allowed:
        msg = f"{principal.name} may make {rate:g} requests a second in the mean; wait {standing.reset} s"
        raise TooManyRequestsError(msg)


def _refuse(standing: Standing, what: str) -> None:
    _tell(standing)
    if not standing.allowed:
        msg = f"More than {standing.limit} {what} a minute from this address; wait {standing.reset} s"
        raise TooManyRequestsError(msg)


def _address() -> str:
    return request.remote_addr or "unknown"


def _tell(standing: Standing) -> None:
    """Say on the answer, whatever it is, where a key or an address stands."""
    request.environ[MORE_HEADERS] = standing.headers.items()
