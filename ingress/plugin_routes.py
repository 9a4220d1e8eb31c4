"""Register the blueprints that plugins bring."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import flask_smorest  # type: ignore[import-untyped]  # ships no types

from gristmill.shared.errors import PluginError
from gristmill.shared.plugins.references import import_reference

if TYPE_CHECKING:
    from flask import Flask

    from gristmill.ingress.http.api import Api

_ARGUMENT: Final = re.compile(r"<[^<>]+>")


def register_routes(api: Api, routes: Iterable[tuple[str, str]]) -> None:
    """Register the blueprints.

    Args:
        api: the API of the app.
        routes: for each blueprint the plugin that names it, and where it is.

    Raises:
        PluginError: what is named is no blueprint of flask-smorest, has no prefix, or takes the name of another.
    """
    taken: dict[str, str] = {}
    for plugin, reference in routes:
        blueprint = import_reference(reference, source=f"routes of the plugin {plugin}")
        if not isinstance(blueprint, flask_smorest.Blueprint):
            msg = f"{reference}, named by the plugin {plugin}, is no Blueprint of flask-smorest but {type(blueprint)}"
            raise PluginError(msg)
        if blueprint.name in taken:
            both = f"{taken[blueprint.name]} and {plugin}"
            msg = f"The plugins {both} both bring a blueprint {blueprint.name}; rename one"
            raise PluginError(msg)
        if not (blueprint.url_prefix or "").startswith("/") or blueprint.url_prefix == "/":
            msg = f"{reference}, named by the plugin {plugin}, needs a prefix: url_prefix='/{plugin}', for instance"
            raise PluginError(msg)
        taken[blueprint.name] = plugin
        api.register_blueprint(blueprint)


def refuse_doubled_routes(app: Flask) -> None:
    """Refuse to start with two views for one path and method, of which one would never be called.

    Raises:
        PluginError: names the path and both views.
    """
    views: dict[tuple[str, str], str] = {}
    for rule in app.url_map.iter_rules():
        path = _ARGUMENT.sub("<>", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            first = views.setdefault((path, method), rule.endpoint)
            if first != rule.endpoint:
                msg = f"{method} {rule.rule} is taken twice, by {first} and {rule.endpoint}; change the prefix of one"
                raise PluginError(msg)
