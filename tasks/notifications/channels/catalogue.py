"""The channels that the plugins bring, by name."""

from __future__ import annotations

from functools import cache

from gristmill.shared.errors import PluginError
from gristmill.shared.plugins.discover import discover_plugins
from gristmill.shared.plugins.references import import_reference
from gristmill.tasks.notifications.channels.channel import Channel


@cache
def channels() -> dict[str, Channel]:
    """Return the channels of all plugins by name.

    Raises:
        PluginError: two have one name, or one lacks a part of `Channel`; the message names the sources.
    """
    found: dict[str, Channel] = {}
    sources: dict[str, str] = {}
    for plugin in discover_plugins():
        for reference in plugin.channels:
            source = f"channels of the plugin {plugin.name}"
            named = import_reference(reference, source=source)
            channel = named() if isinstance(named, type) else named
            lacks = [part for part in ("name", "needs", "target", "deliver") if not hasattr(channel, part)]
            if lacks:
                msg = f"{reference}, named by {source}, is no channel: it lacks {', '.join(lacks)}"
                raise PluginError(msg)
            if channel.name in found:
                msg = f"{sources[channel.name]} and {source} both have a channel {channel.name}; rename one"
                raise PluginError(msg)
            found[channel.name], sources[channel.name] = channel, source
    return found
