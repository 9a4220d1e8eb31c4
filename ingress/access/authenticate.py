"""Authenticate a request and authorize it for its route, before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import current_app, g, request

from gristmill.ingress.access.access_rules import AccessRule, access_rule_of
from gristmill.ingress.access.rate_limits import count_request, refuse_guessing
from gristmill.ingress.http.every_request import RULE
from gristmill.ingress.services import services
from gristmill.shared.errors import ForbiddenError, UnauthorizedError
from gristmill.shared.people.sessions import Person
from gristmill.shared.producers.keys import ProducerPrincipal

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.shared.base.principal import Principal

_MISSING: Final = (
    "Send an API key with the header `Authorization: Bearer gm_…` (`gristmill keys create` makes one), or the access "
    "token that POST /api/v1/auth/login returns"
)
_INVALID: Final = (
    "The key is not valid: it is unknown, wrong, expired or revoked; `gristmill keys create` makes a new one"
)
_EXPIRED: Final = "The access token has expired, or its session has ended: POST /api/v1/auth/refresh, or sign in again"
_NEEDS_KEY: Final = "This route needs an API key, because its jobs belong to a producer; an access token is not enough"
_NEEDS_PERSON: Final = (
    "This route is for people who have signed in: send the access token that POST /api/v1/auth/login returns"
)


def authenticate() -> None:
    """Authenticate the request before its view runs, and refuse it when the route does not allow it.

    Raises:
        UnauthorizedError: there is no key or access token, or it is not valid.
        ForbiddenError: it is valid and lacks the route's scope, or is of the other kind.
        TooManyRequestsError: its rate is used up, or too many wrong keys came from this address.
    """
    route = request.url_rule
    if route is not None:
        request.environ[RULE] = route.rule
    rule = access_rule_of(current_app, request.endpoint)
    if rule is None or rule.is_public or request.method == "OPTIONS":
        return
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError(_MISSING)
    principal = _identify(token.strip())
    if isinstance(principal, ProducerPrincipal) and principal.rate is not None:
        count_request(principal, principal.rate)
    _authorize(principal, rule)
    g.principal = principal


def _identify(token: str) -> Principal:
    keys = services().key_checks
    principal = keys.find(token)
    if principal is not None:
        return principal
    if keys.has_signed(token):
        raise UnauthorizedError(_EXPIRED)
    refuse_guessing()
    raise UnauthorizedError(_INVALID)


def _authorize(principal: Principal, rule: AccessRule) -> None:
    is_person = isinstance(principal, Person)
    if not (rule.people if is_person else rule.producers):
        raise ForbiddenError(_NEEDS_KEY if is_person else _NEEDS_PERSON)
    if rule.scopes and not principal.has_one_of(rule.scopes):
        missing = " or ".join(sorted(rule.scopes))
        msg = f"{principal.credential} lacks the scope {missing}; ask for one that has it"
        raise ForbiddenError(msg, {"missing_scope": missing})


def current_principal_id() -> UUID | None:
    """Return the id of the principal of this request, or None on a public route."""
    principal: Principal | None = g.get("principal")
    return None if principal is None else principal.id


def current_principal() -> Principal:
    """Return the principal of this request, in a view that is not public."""
    found: Principal = g.principal
    return found


def current_producer() -> ProducerPrincipal:
    """Return the principal of this request, in a view that accepts API keys only."""
    found: ProducerPrincipal = g.principal
    return found


def current_person() -> Person:
    """Return the principal of this request, in a view for people."""
    found: Person = g.principal
    return found
