"""Import what a plugin names by text, and tell in each error who named it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gristmill.shared.errors import PluginError


def import_named(module: str, *, source: str) -> Any:
    """Import a module.

    Args:
        module: its dotted name.
        source: who names it, for the note that is added to an error.

    Raises:
        BaseException: whatever the module raises when it is imported, with a note that names `source`.
    """
    try:
        return import_module(module)
    except BaseException as error:
        error.add_note(f"{module} was imported because it is named by {source}")
        raise


def import_reference(reference: str, *, source: str) -> Any:
    """Import `module:name` and return the object.

    Raises:
        PluginError: the module has no such name.
    """
    module, _, name = reference.partition(":")
    found = import_named(module, source=source)
    for part in name.split("."):
        if not hasattr(found, part):
            msg = f"{source} names {reference}, and {module} has no {name!r}"
            raise PluginError(msg)
        found = getattr(found, part)
    return found
