"""The requirement files: which extra lists what, and what pip installs for it."""

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "requirements"
BASE: Final = ""  # the name of no extra


@cache
def files_of(extra: str) -> frozenset[str]:
    """The names of the requirement files of an extra, with those of the base."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    dynamic = setuptools["dynamic"]
    named = dynamic["dependencies"]["file"]
    if extra != BASE:
        named = [*named, *dynamic["optional-dependencies"][extra]["file"]]
    return frozenset(Path(name).name for name in named)


def all_extras() -> list[str]:
    dynamic = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["dynamic"]
    return list(dynamic["optional-dependencies"])


@cache
def required_in(file: str) -> tuple[Requirement, ...]:
    lines = (line.partition("#")[0].strip() for line in (REQUIREMENTS / file).read_text().splitlines())
    return tuple(Requirement(line) for line in lines if line and not line.startswith("-"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def installed() -> dict[str, frozenset[str]]:
    """The distributions of each module."""
    return {module: frozenset(map(canonical, names)) for module, names in packages_distributions().items()}


def distributions_of(module: str) -> frozenset[str]:
    return installed().get(module, frozenset())


@cache
def brought_by(extra: str) -> frozenset[str]:
    """The distributions that pip installs for an extra, with those that they require."""
    return with_required([requirement for file in files_of(extra) for requirement in required_in(file)])


def with_required(requirements: Iterable[Requirement]) -> frozenset[str]:
    """The distributions that pip installs for some requirements, with those that they require."""
    pending = [*requirements]
    found: set[str] = set()
    while pending:
        requirement = pending.pop()
        name = canonical(requirement.name)
        found.add(name)
        try:
            needed = [Requirement(text) for text in distribution(name).requires or ()]
        except PackageNotFoundError:  # another platform's
            continue
        wanted = [{"extra": each} for each in (*requirement.extras, "")]
        pending += [
            each
            for each in needed
            if canonical(each.name) not in found
            and (each.marker is None or any(each.marker.evaluate(context) for context in wanted))
        ]
    return frozenset(found)
