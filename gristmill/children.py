"""Command lines and search paths of the project's own Python programs, safe in any working folder."""

import os
import sys
from pathlib import Path


def python_module(module: str, *arguments: str | Path) -> list[str]:
    """Return the command that runs a module with this Python.

    `-P` keeps the working folder off the search path: it is a user's, and a `redis.py` or a `tasks/` in it would be
    imported instead of ours.
    """
    return [sys.executable, "-P", "-m", module, *map(str, arguments)]


def gristmill_command(*arguments: str | Path) -> list[str]:
    """Return the command that runs `gristmill …` with this Python."""
    return python_module("gristmill", *arguments)


def search_path(*folders: Path) -> dict[str, str]:
    """Return PYTHONPATH for a child: `folders`, then what we inherited, but no entry that means the working folder.

    Returns nothing without folders and without an inherited path: an installed project needs none.
    """
    inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    path = os.pathsep.join([*map(str, folders), *inherited])
    return {"PYTHONPATH": path} if path else {}
