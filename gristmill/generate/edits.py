"""Add an entry to a list in a Python file, and leave the rest of the file as it is."""

from __future__ import annotations

import ast

from gristmill.generate.errors import GenerateError


def add_to_list(source: str, name: str, entry: str) -> str:
    """Return `source` with `entry` as the last element of the list that is assigned to `name` at the top level.

    Raises:
        GenerateError: the source has no such list, or does not compile with the entry.
    """
    found = _find_list(source, name)
    if found is None:
        msg = f"there is no list `{name} = [...]` at the top level; add this entry yourself:\n{entry}"
        raise GenerateError(msg)
    lines = source.splitlines(keepends=True)
    assert found.end_lineno is not None and found.end_col_offset is not None  # noqa: S101, PT018  parsed from text
    row = found.end_lineno - 1
    line = lines[row].encode()
    before, after = line[: found.end_col_offset - 1].decode(), line[found.end_col_offset - 1 :].decode()
    head = "".join(lines[:row]) + before
    comma = "" if not found.elts or head.rstrip().endswith(",") else ","
    changed = f"{head.rstrip()}{comma}\n{entry}\n{after}{''.join(lines[row + 1 :])}"
    try:
        compile(changed, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        msg = f"the list `{name}` cannot be added to; add this entry yourself:\n{entry}"
        raise GenerateError(msg) from error
    return changed


def _find_list(source: str, name: str) -> ast.List | None:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if name in names and isinstance(value, ast.List):
            return value
    return None
