"""Find the end of a project's chain of migrations, and name new ones."""

from __future__ import annotations

import ast
import secrets
from pathlib import Path

from gristmill.generate.errors import GenerateError


def new_revision() -> str:
    """Return the id of a new revision: random, so that those of two branches never collide."""
    return secrets.token_hex(6)


def find_head(versions: Path) -> str | None:
    """Return the id of the last revision in a folder, None where there is none. Nothing is imported.

    Raises:
        GenerateError: there are several ends; the message names them.
    """
    revisions: dict[str, str] = {}
    followed: set[str] = set()
    for file in sorted(versions.glob("*.py")):
        values = _constants(file)
        if isinstance(values.get("revision"), str):
            revisions[str(values["revision"])] = file.name
            before = values.get("down_revision")
            followed |= {str(each) for each in (before if isinstance(before, tuple) else (before,)) if each}
    heads = [revision for revision in revisions if revision not in followed]
    if len(heads) > 1:
        names = " and ".join(revisions[head] for head in heads)
        msg = f"{versions} has several ends, {names}: make one follow the other by its down_revision"
        raise GenerateError(msg)
    return heads[0] if heads else None


def _constants(file: Path) -> dict[str, object]:
    """Return the constants that a module assigns at its top level."""
    found: dict[str, object] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, (ast.Constant, ast.Tuple)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = ast.literal_eval(node.value)
            found |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return found
