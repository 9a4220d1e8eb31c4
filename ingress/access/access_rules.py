"""Declare who may use a route: `@requires(scope)`, `@signed_in` or `@public`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from gristmill.shared.base.principal import SCOPES

if TYPE_CHECKING:
    from flask import Flask

View = TypeVar("View", bound=Callable[..., object])

_ATTRIBUTE: Final = "access_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """The callers that may use a route; without producers and people it is public.

    Attributes:
        scopes: one of them is required, if there are any.
        producers: whether an API key is accepted.
        people: whether an access token is accepted.
    """

    scopes: frozenset[str] = frozenset()
    producers: bool = False
    people: bool = False

    @property
    def is_public(self) -> bool:
        """True if the route needs no authentication."""
        return not (self.producers or self.people)


def requires(*scopes: str, people: bool = True) -> Callable[[View], View]:
    """Declare that a route requires one of `scopes`.

    Args:
        scopes: names in `gristmill.shared.base.principal.SCOPES`.
        people: whether a person is accepted whose role has the scope. Not where a producer owns the result.

    Raises:
        ValueError: no scope, or one that does not exist.
    """
    if not scopes or not SCOPES.keys() >= set(scopes):
        msg = f"@requires{scopes}: give one or more of {', '.join(sorted(SCOPES))}"
        raise ValueError(msg)
    return _declare(AccessRule(scopes=frozenset(scopes), producers=True, people=people))


def signed_in(view: View) -> View:
    """Declare that a route is for people, whatever their role."""
    return _declare(AccessRule(people=True))(view)


def public(view: View) -> View:
    """Declare that a route needs no authentication."""
    return _declare(AccessRule())(view)


def _declare(rule: AccessRule) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, rule)
        return view

    return mark


def access_rule_of(app: Flask, endpoint: str | None) -> AccessRule | None:
    """Return the rule that an endpoint declares, or None."""
    declared: AccessRule | None = getattr(app.view_functions.get(endpoint or ""), _ATTRIBUTE, None)
    return declared


def refuse_undeclared_routes(app: Flask) -> None:
    """Refuse to start with a route that declares no access rule.

    Raises:
        RuntimeError: names each of them.
    """
    forgotten = sorted(rule.rule for rule in app.url_map.iter_rules() if access_rule_of(app, rule.endpoint) is None)
    if forgotten:
        msg = f"Routes without a scope: {', '.join(forgotten)}. Put @requires(…) or @public on their views"
        raise RuntimeError(msg)
