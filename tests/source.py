"""Read the project's own Python: its modules, its docstrings, and the names it defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", "tasks", "workers", "ingress", "gristmill")  # what the wheel installs, but for the migrations
FOLDERS = (*PACKAGES, "migrations", "bench", "chaos", "docs")


def files(*folders: str) -> list[Path]:
    """Return the Python files of folders, by path; links, under which the same files stand again, are not followed."""
    found = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return sorted(file for file in found if not any(part.is_symlink() for part in file.parents))


@cache
def tree(file: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(file.read_text(), str(file))


def location(file: Path, node: ast.AST | None = None) -> str:
    """Return the location of a finding, as editors open it."""
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def docstrings(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the location and the first line of each docstring."""
    for node in ast.walk(tree(file)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield location(file, node), text.splitlines()[0]


def names(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the location and the name of the module and of whatever is defined in it."""
    yield location(file), file.parent.name if file.name == "__init__.py" else file.stem
    for node in ast.walk(tree(file)):
        for name in _defined(node):
            yield location(file, node), name


def _defined(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return [node.name]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.attr]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.alias) and node.asname is not None:
        return [node.asname]
    return []


def functions(file: Path) -> set[str]:
    """Return the names of a file's functions and classes, those of a class as `Class.method`, too."""
    found: set[str] = set()
    for node in tree(file).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return found
