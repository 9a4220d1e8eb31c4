"""Find SQL in a module: statements as text, or put together by SQLAlchemy."""

import ast
import re

STATEMENT = re.compile(
    r"\b(?:SELECT\b|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+ AS \(|SET LOCAL|SHOW \w"
    r"|CREATE |ALTER |DROP )"
)
BUILDERS = {"select", "insert", "update", "delete", "text"}


def holds_sql(tree: ast.Module) -> bool:
    """Say whether a module holds a statement, in other places than its docstrings."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return any(
        (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and STATEMENT.search(node.value)
        )
        or (isinstance(node, ast.ImportFrom) and _builds_sql(node))
        for node in ast.walk(tree)
    )


def _builds_sql(node: ast.ImportFrom) -> bool:
    from_sqlalchemy = node.module in ("sqlalchemy", "sqlalchemy.dialects.postgresql")
    return from_sqlalchemy and any(alias.name in BUILDERS for alias in node.names)
