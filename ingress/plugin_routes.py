"""Register the blueprints that plugins bring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import flask_smorest  # type: ignore[import-untyped]  # ships no types

from gristmill.shared.errors import PluginError
from gristmill.shared.plugins.references import import_reference

if TYPE_CHECKING:
    from gristmill.ingress.http.api import Api


def register_routes(api: Api, routes: Iterable[tuple[str, str]]) -> None:
    """Register the blueprints.

    Args:
        api: the API of the app.
        routes: for each blueprint the plugin that names it, and where it is.

    Raises:
        PluginError: what is named is no blueprint of flask-smorest, or takes the name of another.
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
        taken[blueprint.name] = plugin
        api.register_blueprint(blueprint)
