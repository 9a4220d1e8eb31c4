"""Who asks, and what they may: API keys and access tokens, checked before a request's body is read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from flask import current_app, g, request

from gristmill.ingress.access.rate_limits import count_request, refuse_guessing
from gristmill.ingress.http.every_request import RULE
from gristmill.ingress.services import services
from gristmill.shared.base.principal import SCOPES, Principal
from gristmill.shared.errors import ForbiddenError, UnauthorizedError
from gristmill.shared.people.sessions import Person, find_person
from gristmill.shared.people.tokens import read_access_token
from gristmill.shared.producers.check_key import find_producer_by_token
from gristmill.shared.producers.keys import ProducerPrincipal, read_token

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Flask

    from gristmill.shared.database.connect import Database

View = TypeVar("View", bound=Callable[..., object])

REMEMBERED: Final = 5.0  # seconds a verified key is good without asking the database: a revoked one dies within them
MOST_REMEMBERED: Final = 4_096  # keys; beyond it all are forgotten and asked for again
NEEDS: Final = "needs"

_MISSING: Final = (
    "Send a key with the header `Authorization: Bearer gm_…` (`gristmill keys create` makes one), or the access token "
    "that POST /api/v1/auth/login gives"
)
_WRONG: Final = "The key is not valid: unknown, wrong, revoked or no longer good; `gristmill keys create` makes one"
_OVER: Final = (
    "The access token is over, or its session has ended: POST /api/v1/auth/refresh gets another, or sign in again"
)
_NEEDS_KEY: Final = "Jobs and what goes with them belong to a producer: send its API key instead of an access token"
_NEEDS_PERSON: Final = "This is for people who have signed in: send the access token that POST /api/v1/auth/login gives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Who may use a route: with neither producers nor people it is public.

    Attributes:
        scopes: one of them is needed, if there are any.
        producers: whether a key will do.
        people: whether an access token will do.
    """

    scopes: frozenset[str] = frozenset()
    producers: bool = False
    people: bool = False

    @property
    def is_public(self) -> bool:
        """Whether nobody is asked who they are."""
        return not (self.producers or self.people)


def requires(*scopes: str, people: bool = True) -> Callable[[View], View]:
    """Declare that a route needs one of `scopes`.

    Args:
        people: whether somebody will do whose role has the scope; not where what is made belongs to a producer.
    """
    if not scopes or not SCOPES.keys() >= set(scopes):
        msg = f"@requires{scopes}: give one or more of {', '.join(sorted(SCOPES))}"
        raise ValueError(msg)
    return _declare(Needs(scopes=frozenset(scopes), producers=True, people=people))


def signed_in(view: View) -> View:
    """Declare that a route is for people, whatever their role."""
    return _declare(Needs(people=True))(view)


def public(view: View) -> View:
    """Declare that a route needs no key."""
    return _declare(Needs())(view)


def _declare(needs: Needs) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, NEEDS, needs)
        return view

    return mark


def needs_of(app: Flask, endpoint: str | None) -> Needs | None:
    """Return what an endpoint declares that it needs; None when it declares nothing."""
    declared: Needs | None = getattr(app.view_functions.get(endpoint or ""), NEEDS, None)
    return declared


def refuse_undeclared_routes(app: Flask) -> None:
    """Refuse to start with a route that nobody has thought about.

    Raises:
        RuntimeError: names each route that declares neither a scope nor that it is public.
    """
    forgotten = sorted(rule.rule for rule in app.url_map.iter_rules() if needs_of(app, rule.endpoint) is None)
    if forgotten:
        msg = f"Routes without a scope: {', '.join(forgotten)}. Put @requires(…) or @public on their views"
        raise RuntimeError(msg)


class KeyRing:
    """The keys and access tokens that were verified in the last seconds, so that a POST costs no query for its key."""

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
        principal = self._look(token)
        if principal is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (now + self._remembered, principal)
        return principal

    def forget_session(self, session_id: UUID) -> None:
        """Ask the database again for all tokens of a session: those who sign out here are out at once."""
        for digest, (_, principal) in list(self._known.items()):
            if isinstance(principal, Person) and principal.session_id == session_id:
                self._known.pop(digest, None)

    def has_signed(self, token: str) -> bool:
        """Say whether `token` is an access token that we made, good or not: who sends one does not guess."""
        return read_access_token(self._database.settings.secret_key, token) is not None

    def _look(self, token: str) -> Principal | None:
        if read_token(token) is not None:
            with self._database.transaction() as session:
                return find_producer_by_token(session, token)
        claims = read_access_token(self._database.settings.secret_key, token)
        if claims is None:
            return None
        with self._database.transaction() as session:
            return find_person(session, claims)


def authenticate() -> None:
    """Find out who asks, before the view; refuse who may not.

    Raises:
        UnauthorizedError: no key or access token, or one that is not valid.
        ForbiddenError: a valid one that lacks the route's scope, or is of the other kind.
        TooManyRequestsError: its rate is used up, or too many wrong keys came from this address.
    """
    rule = request.url_rule
    if rule is not None:
        request.environ[RULE] = rule.rule
    needs = needs_of(current_app, request.endpoint)
    if needs is None or needs.is_public or request.method == "OPTIONS":
        return
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthorizedError(_MISSING)
    principal = _recognise(token.strip())
    if isinstance(principal, ProducerPrincipal) and principal.rate is not None:
        count_request(principal, principal.rate)
    _check(principal, needs)
    g.principal = principal


def _recognise(token: str) -> Principal:
    keys = services().keys
    principal = keys.find(token)
    if principal is not None:
        return principal
    if keys.has_signed(token):
        raise UnauthorizedError(_OVER)
    refuse_guessing()
    raise UnauthorizedError(_WRONG)


def _check(principal: Principal, needs: Needs) -> None:
    is_person = isinstance(principal, Person)
    if not (needs.people if is_person else needs.producers):
        raise ForbiddenError(_NEEDS_KEY if is_person else _NEEDS_PERSON)
    if needs.scopes and not principal.has_one_of(needs.scopes):
        missing = " or ".join(sorted(needs.scopes))
        msg = f"{principal.credential} lacks the scope {missing}; ask for one that has it"
        raise ForbiddenError(msg, {"missing_scope": missing})


def current_principal_id() -> UUID | None:
    """Return whose request this is; None of one that is not asked."""
    principal: Principal | None = g.get("principal")
    return None if principal is None else principal.id


def current_principal() -> Principal:
    """Return who asks, in a view that is not public."""
    found: Principal = g.principal
    return found


def current_producer() -> ProducerPrincipal:
    """Return who asks, in a view that takes keys alone."""
    found: ProducerPrincipal = g.principal
    return found


def current_person() -> Person:
    """Return who asks, in a view for people."""
    found: Person = g.principal
    return found
