"""Who asks, and what they may: API keys and scopes, checked before a request's body is read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from flask import current_app, g, request

from ingress.errors import TooManyRequestsError
from ingress.front import MORE_HEADERS, RULE
from ingress.limits import Rate, Standing
from ingress.services import services
from shared.errors import ForbiddenError, UnauthorizedError
from shared.keys import SCOPES, Principal, read_token
from shared.queries.producers import find_producer_by_token

if TYPE_CHECKING:
    from flask import Flask

    from shared.db import Database

View = TypeVar("View", bound=Callable[..., object])

REMEMBERED: Final = 5.0  # seconds a verified key is good without asking the database: a revoked one dies within them
MOST_REMEMBERED: Final = 4_096  # keys; beyond it all are forgotten and asked for again
NEEDS: Final = "needed_scopes"
PUBLIC: Final[frozenset[str]] = frozenset()

_MISSING: Final = "Send a key with the header `Authorization: Bearer gm_…`; `gristmill keys create` makes one"
_WRONG: Final = "The key is not valid: unknown, wrong, revoked or no longer good; `gristmill keys create` makes one"


def requires(*scopes: str) -> Callable[[View], View]:
    """Declare that a route needs one of `scopes`."""
    if not scopes or not SCOPES.keys() >= set(scopes):
        msg = f"@requires{scopes}: give one or more of {', '.join(sorted(SCOPES))}"
        raise ValueError(msg)
    return _declare(frozenset(scopes))


def public(view: View) -> View:
    """Declare that a route needs no key."""
    return _declare(PUBLIC)(view)


def _declare(scopes: frozenset[str]) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, NEEDS, scopes)
        return view

    return mark


def needed_scopes(app: Flask, endpoint: str | None) -> frozenset[str] | None:
    """Return what an endpoint declares that it needs; None when it declares nothing."""
    needed: frozenset[str] | None = getattr(app.view_functions.get(endpoint or ""), NEEDS, None)
    return needed


def refuse_undeclared_routes(app: Flask) -> None:
    """Refuse to start with a route that nobody has thought about.

    Raises:
        RuntimeError: names each route that declares neither a scope nor that it is public.
    """
    forgotten = sorted(rule.rule for rule in app.url_map.iter_rules() if needed_scopes(app, rule.endpoint) is None)
    if forgotten:
        msg = f"Routes without a scope: {', '.join(forgotten)}. Put @requires(…) or @public on their views"
        raise RuntimeError(msg)


class KeyRing:
    """The keys that were verified in the last seconds, so that a POST costs no query for its key."""

    def __init__(self, database: Database, *, remembered: float = REMEMBERED) -> None:
        self._database = database
        self._remembered = remembered
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def find(self, token: str) -> Principal | None:
        """Return who stands behind `token`, None when nobody does. Only what was verified is remembered."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._known.get(digest)
        now = time.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        if read_token(token) is None:
            return None
        with self._database.transaction() as session:
            principal = find_producer_by_token(session, token)
        if principal is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (now + self._remembered, principal)
        return principal


def authenticate() -> None:
    """Find out who asks, before the view; refuse who may not.

    Raises:
        UnauthorizedError: no key, or one that is not valid.
        ForbiddenError: a valid key that lacks the route's scope.
        TooManyRequestsError: its rate is used up, or too many wrong keys came from this address.
    """
    rule = request.url_rule
    if rule is not None:
        request.environ[RULE] = rule.rule
    needed = needed_scopes(current_app, request.endpoint)
    if not needed or request.method == "OPTIONS":
        return
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError(_MISSING)
    principal = services().keys.find(token.strip())
    if principal is None:
        _refuse_guessing()
        raise UnauthorizedError(_WRONG)
    if principal.rate is not None:
        _count(principal, principal.rate)
    if not principal.has_one_of(needed):
        missing = " or ".join(sorted(needed))
        msg = f"The key {principal.key_id} lacks the scope {missing}; ask for a key that has it"
        raise ForbiddenError(msg, {"missing_scope": missing})
    g.principal = principal


def _refuse_guessing() -> None:
    standing = services().limits.count_wrong_key(request.remote_addr or "unknown")
    if not standing.allowed:
        _tell(standing)
        msg = f"More than {standing.limit} wrong keys a minute from this address; wait {standing.reset} s"
        raise TooManyRequestsError(msg)


def _count(principal: Principal, rate: float) -> None:
    standing = services().limits.count_request(principal.producer_id, Rate(rate, principal.burst))
    _tell(standing)
    if not standing.allowed:
        msg = f"{principal.name} may make {rate:g} requests a second in the mean; wait {standing.reset} s"
        raise TooManyRequestsError(msg)


def _tell(standing: Standing) -> None:
    """Say on the answer where a key that has a rate stands, or an address that guesses keys."""
    request.environ[MORE_HEADERS] = standing.headers.items()


def principal() -> Principal:
    """Return who asks, in a view that declares a scope."""
    found: Principal = g.principal
    return found
