"""Discover the plugins of this process: entry points, the project in the working folder, and GRISTMILL_PLUGINS."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

from gristmill.shared.errors import PluginError
from gristmill.shared.plugins.plugin import Plugin
from gristmill.shared.plugins.references import import_reference

ENTRY_POINTS: Final = "gristmill.plugins"
VARIABLE: Final = "GRISTMILL_PLUGINS"
PLATFORM: Final = "gristmill.tasks."  # where the references of the platform's own plugins begin


class Found(NamedTuple):
    """A plugin that is announced.

    Attributes:
        name: None until a project's plugin is imported.
        reference: `module:name` of the object.
        source: who announces it, for messages.
    """

    name: str | None
    reference: str
    source: str


@cache
def discover_plugins() -> tuple[Plugin, ...]:
    """Return the plugins of this process, each after those that it requires. Their tasks are not imported.

    They are those that installed distributions announce as entry points of the group `gristmill.plugins`, and the one
    that `[tool.gristmill] plugin = "shop.mill:plugin"` names in the pyproject.toml of the working folder. The variable
    GRISTMILL_PLUGINS, names separated by commas, narrows them.

    Raises:
        PluginError: two have one name, one lacks another that it requires, or GRISTMILL_PLUGINS names one that there
            is not; the message says where they are announced and what to do.
    """
    announced = [*_entry_points(), *_project(Path.cwd())]
    wanted = wanted_names()
    chosen = [each for each in announced if wanted is None or each.name is None or each.name in wanted]
    plugins: dict[str, Plugin] = {}
    sources: dict[str, Found] = {}
    for found in chosen:
        plugin = _import(found)
        if wanted is not None and plugin.name not in wanted:
            continue
        if plugin.name in plugins and sources[plugin.name].reference != found.reference:
            msg = f"Two plugins are called {plugin.name}: {sources[plugin.name].source} and {found.source}; rename one"
            raise PluginError(msg)
        plugins.setdefault(plugin.name, plugin)
        sources.setdefault(plugin.name, found)
    _refuse_unknown(wanted or (), plugins, announced)
    return tuple(in_order(plugins.values()))


def wanted_names() -> tuple[str, ...] | None:
    """Return the names in GRISTMILL_PLUGINS, or None when it is not set and all plugins are wanted."""
    text = os.environ.get(VARIABLE)
    return None if not text else tuple(name.strip() for name in text.split(",") if name.strip())


def left_out_plugins() -> tuple[Plugin, ...]:
    """Return the installed plugins that GRISTMILL_PLUGINS leaves out."""
    loaded = {plugin.name for plugin in discover_plugins()}
    return tuple(_import(found) for found in _entry_points() if found.name not in loaded)


def announced_plugins() -> dict[str, str]:
    """Return the names of all plugins that entry points announce, with their references, the narrowed ones too."""
    return {found.name: found.reference for found in _entry_points() if found.name is not None}


def project_plugin() -> str | None:
    """Return the name of the plugin of the project in the working folder; None where there is no project."""
    found = _project(Path.cwd())
    return _import(found[0]).name if found else None


def project_reference(folder: Path) -> str | None:
    """Return the reference of the plugin that the pyproject.toml of `folder` names, such as `shop.mill:plugin`.

    Raises:
        PluginError: the file cannot be read, or the reference is not written as it must be.
    """
    return next((found.reference for found in _project(folder)), None)


def in_order(plugins: Iterable[Plugin]) -> list[Plugin]:
    """Return `plugins` so that each comes after those that it requires, as far as possible in the given order.

    Raises:
        PluginError: a required one is missing, or some require each other.
    """
    remaining = {plugin.name: plugin for plugin in plugins}
    for plugin in remaining.values():
        for name in plugin.requires:
            if name not in remaining:
                msg = f"The plugin {plugin.name} requires the plugin {name}: install it, or add it to {VARIABLE}"
                raise PluginError(msg)
    ordered: list[Plugin] = []
    while remaining:
        ready = [plugin for plugin in remaining.values() if not remaining.keys() & set(plugin.requires)]
        if not ready:
            msg = f"The plugins {', '.join(sorted(remaining))} require each other; take one of the requirements out"
            raise PluginError(msg)
        ordered += ready
        for plugin in ready:
            del remaining[plugin.name]
    return ordered


def _entry_points() -> list[Found]:
    # Not metadata.entry_points(): of two descriptions of one distribution, such as that of the environment and a stale
    # one that a build has left in the working folder, it reads the first only.
    found = [
        Found(point.name, point.value, f"the entry point {point.name} of {distribution.name}")
        for distribution in metadata.distributions()
        for point in distribution.entry_points.select(group=ENTRY_POINTS)
    ]
    return sorted(set(found), key=lambda each: (not each.reference.startswith(PLATFORM), each.name or ""))


def _project(folder: Path) -> list[Found]:
    """Return the plugin that the pyproject.toml of `folder` names, and make its modules importable."""
    path = folder / "pyproject.toml"
    if not path.is_file():
        return []
    source = f"[tool.gristmill] in {path}"
    try:
        table: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("gristmill", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise PluginError(msg) from error
    reference = table.get("plugin") if isinstance(table, dict) else None
    if reference is None:
        return []
    if not isinstance(reference, str) or ":" not in reference:
        msg = f'{source}: plugin = {reference!r} must read like plugin = "shop.mill:plugin"'
        raise PluginError(msg)
    for root in (folder / "src", folder):
        if root.is_dir() and str(root) not in sys.path:
            sys.path.append(str(root))  # last: a redis.py of the project is none of the libraries'
    return [Found(None, reference, source)]


def _import(found: Found) -> Plugin:
    plugin = import_reference(found.reference, source=found.source)
    if not isinstance(plugin, Plugin):
        msg = f"{found.source} names {found.reference}, which is no gristmill.Plugin but {type(plugin).__name__}"
        raise PluginError(msg)
    if found.name not in (None, plugin.name):
        msg = f"{found.source} names {found.reference}, whose name is {plugin.name}; give both one name"
        raise PluginError(msg)
    return plugin


def _refuse_unknown(wanted: Sequence[str], plugins: dict[str, Plugin], announced: Sequence[Found]) -> None:
    unknown = [name for name in wanted if name not in plugins]
    if unknown:
        known = ", ".join(sorted({*plugins, *(each.name for each in announced if each.name is not None)}))
        msg = f"{VARIABLE} names {', '.join(unknown)}, and no such plugin is installed; there are {known or 'none'}"
        raise PluginError(msg)
