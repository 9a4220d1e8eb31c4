"""Load the plugins of this process: their queues, their tasks and their schedules, all checked together."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from gristmill.shared.errors import PluginError
from gristmill.shared.plugins.discover import announced_plugins, discover_plugins
from gristmill.shared.plugins.plugin import Plugin
from gristmill.shared.plugins.references import import_named
from gristmill.shared.queues import QUEUES
from gristmill.shared.schedules.defaults import check_default
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from gristmill.shared.schedules.declaration import Schedule
    from gristmill.shared.task import Task

CORE: Final = ("gristmill.tasks.callbacks.deliver_webhook",)  # tasks of the platform itself, beside all plugins


class Loaded(NamedTuple):
    """The plugins of this process, each after those that it requires."""

    plugins: tuple[Plugin, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plugins."""
        return tuple(plugin.name for plugin in self.plugins)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The schedules that come with the code."""
        return tuple(schedule for plugin in self.plugins for schedule in plugin.schedules)

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """The references of all blueprints, each with the plugin that names it."""
        return tuple((plugin.name, route) for plugin in self.plugins for route in plugin.routes)

    def without(self, name: str) -> Loaded:
        """Return the same without the plugin of this name."""
        return Loaded(tuple(plugin for plugin in self.plugins if plugin.name != name))

    def owner_of(self, task: Task) -> str | None:
        """Return the name of the plugin that brings a task, or None for a task of the platform itself."""
        module = task.module
        return next((plugin.name for plugin in self.plugins if _brings(plugin, module)), None)


@cache
def load_queues() -> tuple[Plugin, ...]:
    """Add the queues of all plugins and return these, without importing their tasks: for what only lists and counts.

    Raises:
        PluginError: a queue is wrong or taken.
    """
    plugins = discover_plugins()
    for plugin in plugins:
        for queue in plugin.queues:
            QUEUES.add(queue, f"the plugin {plugin.name}")
    return plugins


@cache
def load_plugins() -> Loaded:
    """Add the queues of all plugins, import their tasks, and check what they declare. Repeating it costs nothing.

    Raises:
        PluginError: a queue, a schedule or the queue of a task is wrong or taken; names the plugin, or both sources.
        TaskDefinitionError: a task is declared wrongly, or its name is taken.
        Exception: whatever a module of a plugin raises when it is imported, with a note that names the plugin.
    """
    plugins = load_queues()
    for module in CORE:
        import_named(module, source="the platform")
    for plugin in plugins:
        for module in plugin.tasks:
            import_named(module, source=f"tasks of the plugin {plugin.name}")
    _forget_tasks_left_out(plugins)
    for task in registry:
        _ = task.queue  # refused here when there is none
    loaded = Loaded(plugins)
    _check_schedules(loaded)
    return loaded


def _brings(plugin: Plugin, module: str) -> bool:
    return any(module == named or module.startswith(f"{named}.") for named in plugin.tasks)


def _forget_tasks_left_out(plugins: tuple[Plugin, ...]) -> None:
    """Forget tasks of plugins that GRISTMILL_PLUGINS leaves out and other modules have imported."""
    left_out = announced_plugins().keys() - {plugin.name for plugin in plugins}
    modules = [announced_plugins()[name].partition(":")[0] for name in left_out]
    packages = tuple(f"{module.rpartition('.')[0]}." for module in modules if "." in module)
    for task in list(registry):
        if task.module.startswith(packages):
            registry.remove(task.name)


def _check_schedules(loaded: Loaded) -> None:
    seen: dict[str, str] = {}
    for plugin in loaded.plugins:
        for schedule in plugin.schedules:
            if schedule.name in seen:
                both = f"{seen[schedule.name]} and {plugin.name}"
                msg = f"The plugins {both} both have a schedule {schedule.name}; rename one"
                raise PluginError(msg)
            seen[schedule.name] = plugin.name
            check_default(schedule)
