"""Find the project that the working folder is in the root of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gristmill.generate.errors import GenerateError
from gristmill.shared.plugins.discover import project_reference


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        root: its folder, with pyproject.toml.
        package: the name of its package.
        folder: the package's folder, below `root`.
    """

    root: Path
    package: str
    folder: Path


def find_project(root: Path) -> Project:
    """Return the project whose pyproject.toml is in `root`.

    Raises:
        GenerateError: there is none, or its package is not there; the message says where to go.
        PluginError: its pyproject.toml cannot be read.
    """
    reference = project_reference(root)
    if reference is None:
        above = project_above(root)
        where = f"run it in {above}" if above else "make one with `gristmill init shop`, then `cd shop`"
        msg = f"{root} holds no project (a pyproject.toml with [tool.gristmill] plugin = …): {where}"
        raise GenerateError(msg)
    package = reference.partition(":")[0].partition(".")[0]
    for folder in (Path("src") / package, Path(package)):
        if (root / folder).is_dir():
            return Project(root, package, folder)
    msg = f"[tool.gristmill] in {root / 'pyproject.toml'} names {reference}, and there is no folder {package}"
    raise GenerateError(msg)


def project_above(folder: Path) -> Path | None:
    """Return the nearest folder above that holds a project, for somebody who is in a folder of it."""
    return next((each for each in folder.parents if _is_project(each)), None)


def _is_project(folder: Path) -> bool:
    path = folder / "pyproject.toml"
    return path.is_file() and "[tool.gristmill]" in path.read_text(encoding="utf-8", errors="replace")
