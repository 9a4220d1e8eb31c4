"""Check names before files are called by them: of packages, tasks, tables, templates and schedules."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import metadata
from typing import Final

from gristmill.generate.errors import GenerateError

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TASK: Final = re.compile(r"(?P<subject>[a-z][a-z0-9_]{0,39})\.(?P<verb>[a-z][a-z0-9_]{0,39})")
_SCHEDULE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_OURS: Final = frozenset({"tests", "test", "gristmill"})


def check_package(name: str) -> str:
    """Return the name of a project's package.

    Raises:
        GenerateError: it is no name of a module, or belongs to Python or to an installed distribution.
    """
    check_word(name, "a project", "shop")
    if name in sys.stdlib_module_names:
        msg = f"{name} is a module of Python itself, which the project would hide: choose another name, such as {name}s"
        raise GenerateError(msg)
    if name in _OURS:
        msg = f"{name} is taken: choose another name for the project, such as shop"
        raise GenerateError(msg)
    owners = metadata.packages_distributions().get(name, [])
    if owners:
        msg = f"{name} is a module of the installed package {owners[0]}: choose another name, such as our_{name}"
        raise GenerateError(msg)
    return name


def check_word(name: str, what: str, example: str) -> str:
    """Return a name of lower-case letters, digits and _ that is no keyword.

    Raises:
        GenerateError: it is not.
    """
    if not _WORD.fullmatch(name) or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        msg = (
            f"{name!r} cannot be the name of {what}: take lower-case letters, digits and _, 40 at most, and no "
            f"keyword of Python, such as {example}"
        )
        raise GenerateError(msg)
    return name


def split_task(name: str) -> tuple[str, str]:
    """Return subject and verb of a task's name.

    Raises:
        GenerateError: it does not read like `invoice.send`.
    """
    words = _TASK.fullmatch(name)
    if words is None:
        msg = f"{name!r} does not read like `invoice.send`: lower case, a subject, a dot, a verb"
        raise GenerateError(msg)
    return check_word(words["subject"], "a subject", "invoice"), check_word(words["verb"], "a verb", "send")


def check_schedule(name: str) -> str:
    """Return the name of a schedule.

    Raises:
        GenerateError: it does not read like `send-invoices`.
    """
    if not _SCHEDULE.fullmatch(name):
        msg = f"{name!r} cannot be the name of a schedule: take lower-case letters, digits and -, such as send-invoices"
        raise GenerateError(msg)
    return name


def camel(words: str) -> str:
    """Return `words_like_these` as `WordsLikeThese`."""
    return "".join(word.capitalize() for word in words.split("_"))


def plural(word: str) -> str:
    """Return the plural of a word, which is what a table is called."""
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"
