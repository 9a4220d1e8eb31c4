"""Name the extra that a command lacks. `pip install gristmill` brings only what applications and operators need."""

import re
from importlib import metadata
from typing import Final

PLATFORM: Final = "platform"  # the extra of all commands that are not named here: they open the database

# The extra with everything that a command needs; requirements/*.in say what each brings.
EXTRAS: Final = {
    "up": "embedded",
    "demo": "embedded",
    "web": "web",
    "worker": "worker",
    "relay": "worker",
    "beat": "worker",
    "maintenance": "worker",
    "flower": "flower",
    "doctor": "worker",
}
_REQUIREMENT: Final = re.compile(r"""([\w.-]+).*\bextra\s*==\s*["']([\w-]+)["']""")


def explain_missing_extra(command: str) -> str | None:
    """Return which extra to install for a command that could not import a module, or None when it has all of it."""
    extra = EXTRAS.get(command, PLATFORM)
    if all(_is_installed(name) for name in requirements_of(extra)):
        return None
    return f"gristmill {command} needs the extra {extra}: pip install 'gristmill[{extra}]'"


def requirements_of(extra: str) -> list[str]:
    """Return the names of the distributions that an extra brings by itself, without what those require."""
    try:
        lines = metadata.requires("gristmill") or []
    except metadata.PackageNotFoundError:
        return []
    found = map(_REQUIREMENT.match, lines)
    return [each[1] for each in found if each is not None and each[2] == extra]


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
