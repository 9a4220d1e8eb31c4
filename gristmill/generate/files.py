"""Fill in templates and write them as files: all of them, or none where one exists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from gristmill.generate.errors import GenerateError

TEMPLATES: Final = Path(__file__).parent / "templates"
SUFFIX: Final = ".tmpl"  # they are no Python: no linter and no test looks at them before they are filled in


def render(name: str, values: Mapping[str, str]) -> str:
    """Return the template of this name with its `$values` filled in."""
    return Template((TEMPLATES / f"{name}{SUFFIX}").read_text(encoding="utf-8")).substitute(values)


def refuse_existing(files: Mapping[Path, str], root: Path) -> None:
    """Refuse to overwrite.

    Raises:
        GenerateError: one of them exists; names all that do.
    """
    existing = sorted(str(path) for path in files if (root / path).exists())
    if existing:
        msg = f"{', '.join(existing)} exists in {root}: choose another name, or remove it. Nothing was written"
        raise GenerateError(msg)


def write_new(files: Mapping[Path, str], root: Path) -> list[str]:
    """Write files that do not exist yet, by their paths below `root`; return a line for each.

    Raises:
        GenerateError: one of them exists; nothing is written then.
    """
    refuse_existing(files, root)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return [f"wrote {path}" for path in files]
