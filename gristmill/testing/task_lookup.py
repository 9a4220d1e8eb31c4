"""Find the task that a test names, and explain why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from gristmill.shared.errors import UnknownTaskError
from gristmill.shared.jobs.encode_args import encode_args
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.plugins.plugin import Plugin
from gristmill.shared.task import Task, registry
from gristmill.testing.mill_error import MillError

_OWN: Final = "gristmill.tasks."  # where the tasks of the platform's own plugins are


def plugins_of_project() -> list[Plugin]:
    """Return the plugins that are loaded and do not come with the platform."""
    return [
        plugin
        for plugin in load_plugins().plugins
        if not plugin.tasks or not all(module.startswith(_OWN) for module in plugin.tasks)
    ]


def find_task(task: Task | str, root: Path) -> Task:
    """Return a task.

    Args:
        task: the task or its name.
        root: the folder of the project, for the message.

    Raises:
        UnknownTaskError: no task has this name; says which ones are like it, or that there is no plugin.
    """
    if isinstance(task, Task):
        return task
    found = registry.find(task)
    if found is not None:
        return found
    raise UnknownTaskError(f"No task is called {task!r}. {_advice(task, root)}", {"task": [f"unknown task {task!r}"]})


def _advice(name: str, root: Path) -> str:
    own = plugins_of_project()
    if not own:
        return (
            f"No plugin of yours was found: name it in {root / 'pyproject.toml'} by [tool.gristmill] "
            'plugin = "shop.mill:plugin", or install a distribution with an entry point in the group '
            "gristmill.plugins; GRISTMILL_PLUGINS, when it is set, must name it too"
        )
    close = get_close_matches(name, [each.name for each in registry], n=3)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    modules = ", ".join(module for plugin in own for module in plugin.tasks)
    return f"Its module must be imported by one that a plugin names in tasks=…: {modules or 'none is named'}"


def encode_known(task: Task, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as JSON values, after a check that the task has arguments of these names.

    Raises:
        MillError: it has no such argument, so that no job could ever match.
    """
    unknown = sorted(args.keys() - task.schema.fields.keys())
    if unknown:
        known = ", ".join(sorted(task.schema.fields)) or "none"
        msg = f"{task.name} has no argument {', '.join(unknown)}, so no job can match; it has {known}"
        raise MillError(msg)
    return encode_args(task.name, args)
