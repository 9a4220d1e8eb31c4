"""Write a whole project: a plugin with a queue, a task, a table, a mail template, a schedule and a test."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gristmill.generate.columns import read_columns
from gristmill.generate.errors import GenerateError
from gristmill.generate.files import refuse_existing, render, write_new
from gristmill.generate.parts import write_table
from gristmill.generate.project import Project

_ROOT: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".env.example": "env.example",
    ".gitignore": "gitignore",
    "tests/test_send_greeting.py": "test_send_greeting.py",
}
_PACKAGE: Final = {
    "__init__.py": "package.py",
    "mill.py": "mill.py",
    "jobs/__init__.py": "jobs.py",
    "jobs/send_greeting.py": "send_greeting.py",
    "models/__init__.py": "models.py",
    "models/base.py": "base.py",
    "schedules.py": "schedules.py",
    "templates/greeting.subject": "greeting.subject",
    "templates/greeting.txt": "greeting.txt",
}


def write_project(package: str, root: Path) -> list[str]:
    """Write a project; return a line for each file.

    Args:
        package: the name of its package and of its plugin.
        root: its folder, which is made if it is not there.

    Raises:
        GenerateError: a file of that name exists; nothing was written.
    """
    if root.exists() and not root.is_dir():
        msg = f"{root} is a file: choose another folder"
        raise GenerateError(msg)
    values = {"package": package, "name": package.replace("_", "-")}
    files = {Path(path): render(f"project/{name}", values) for path, name in _ROOT.items()}
    files |= {Path(package, path): render(f"project/{name}", values) for path, name in _PACKAGE.items()}
    files[Path(package, "py.typed")] = ""
    refuse_existing({**files, Path(package): ""}, root)
    said = write_new(files, root)
    return said + write_table(Project(root, package, Path(package)), "greeting", read_columns(["name:text"]))
